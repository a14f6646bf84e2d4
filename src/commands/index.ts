import type { CommandModule } from "../program.ts";
import { defineAck } from "./ack.ts";
import { defineClaim } from "./claim.ts";
import { defineComplete } from "./complete.ts";
import { defineCompletion } from "./completion.ts";
import { defineConfig } from "./config.ts";
import { defineConsume } from "./consume.ts";
import { defineDlq } from "./dlq.ts";
import { defineDoctor } from "./doctor.ts";
import { defineGroup } from "./group.ts";
import { defineInfo } from "./info.ts";
import { defineLag } from "./lag.ts";
import { defineLs } from "./ls.ts";
import { definePending } from "./pending.ts";
import { defineProduce } from "./produce.ts";
import { defineSandbox } from "./sandbox.ts";
import { defineServeMetrics } from "./serve-metrics.ts";
import { defineTrim } from "./trim.ts";

/** Every command by its name, in the order of the help text. */
const COMMANDS: Readonly<Record<string, CommandModule>> = {
  produce: defineProduce,
  consume: defineConsume,
  pending: definePending,
  claim: defineClaim,
  ack: defineAck,
  dlq: defineDlq,
  trim: defineTrim,
  lag: defineLag,
  ls: defineLs,
  info: defineInfo,
  group: defineGroup,
  "serve-metrics": defineServeMetrics,
  doctor: defineDoctor,
  completion: defineCompletion,
  config: defineConfig,
  sandbox: defineSandbox,
  __complete: defineComplete,
};

/** They tell about the other commands. */
const ABOUT_COMMANDS = new Set(["completion", "config"]);

/**
 * The command `name`; every command when it is none, or one that needs the others. Defining them all takes
 * longer than most commands run.
 */
export function commandsFor(name: string | undefined): readonly CommandModule[] {
  const command = name === undefined || !Object.hasOwn(COMMANDS, name) ? undefined : COMMANDS[name];
  return command === undefined || ABOUT_COMMANDS.has(name ?? "") ? Object.values(COMMANDS) : [command];
}
