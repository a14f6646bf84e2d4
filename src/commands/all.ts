import { ack } from "./ack.ts";
import { claim } from "./claim.ts";
import type { CommandDefinition, CommandGroup } from "./command.ts";
import { complete } from "./complete.ts";
import { completion } from "./completion.ts";
import { config } from "./config/config.ts";
import { consume } from "./consume/consume.ts";
import { dedupe } from "./dedupe/dedupe.ts";
import { dlq } from "./dlq/dlq.ts";
import { doctor } from "./doctor.ts";
import { group } from "./group/group.ts";
import { info } from "./info.ts";
import { lag } from "./lag/lag.ts";
import { ls } from "./ls.ts";
import { pending } from "./pending.ts";
import { produce } from "./produce/produce.ts";
import { release } from "./release.ts";
import { sandbox } from "./sandbox.ts";
import { schedule } from "./schedule/schedule.ts";
import { serveMetrics } from "./serve-metrics.ts";
import { show } from "./show.ts";
import { trim } from "./trim/trim.ts";

/** Every command, in the order of the help text. */
export const COMMANDS: readonly (CommandDefinition | CommandGroup)[] = [
  produce,
  consume,
  show,
  pending,
  claim,
  ack,
  release,
  dlq,
  schedule,
  dedupe,
  trim,
  lag,
  ls,
  info,
  group,
  serveMetrics,
  doctor,
  completion,
  config,
  sandbox,
  complete,
];
