import type { CommandModule } from "../program.ts";
import { defineAck } from "./ack.ts";
import { defineClaim } from "./claim.ts";
import { defineComplete } from "./complete.ts";
import { defineCompletion } from "./completion.ts";
import { defineDoctor } from "./doctor.ts";
import { defineDlq } from "./dlq.ts";
import { defineGroup } from "./group.ts";
import { defineInfo } from "./info.ts";
import { defineLag } from "./lag.ts";
import { defineLs } from "./ls.ts";
import { definePending } from "./pending.ts";
import { defineConsume } from "./consume.ts";
import { defineConfig } from "./config.ts";
import { defineProduce } from "./produce.ts";
import { defineSandbox } from "./sandbox.ts";
import { defineServeMetrics } from "./serve-metrics.ts";
import { defineTrim } from "./trim.ts";

/** Every command, in the order of the help text. */
export const commands: readonly CommandModule[] = [
  defineProduce,
  defineConsume,
  definePending,
  defineClaim,
  defineAck,
  defineDlq,
  defineTrim,
  defineLag,
  defineLs,
  defineInfo,
  defineGroup,
  defineServeMetrics,
  defineDoctor,
  defineCompletion,
  defineConfig,
  defineSandbox,
  defineComplete,
];
