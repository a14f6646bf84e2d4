import type { CommandModule } from "../program.ts";

/**
 * Every command by its name, in the order of the help text. scripts/build.mjs puts their files into one chunk, except
 * those of `lag`, which is started all the time and does not pay for the text of all others.
 */
const COMMANDS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  produce: async () => (await import("./produce.ts")).defineProduce,
  consume: async () => (await import("./consume.ts")).defineConsume,
  pending: async () => (await import("./pending.ts")).definePending,
  claim: async () => (await import("./claim.ts")).defineClaim,
  ack: async () => (await import("./ack.ts")).defineAck,
  dlq: async () => (await import("./dlq.ts")).defineDlq,
  trim: async () => (await import("./trim.ts")).defineTrim,
  lag: async () => (await import("./lag.ts")).defineLag,
  ls: async () => (await import("./ls.ts")).defineLs,
  info: async () => (await import("./info.ts")).defineInfo,
  group: async () => (await import("./group.ts")).defineGroup,
  "serve-metrics": async () => (await import("./serve-metrics.ts")).defineServeMetrics,
  doctor: async () => (await import("./doctor.ts")).defineDoctor,
  completion: async () => (await import("./completion.ts")).defineCompletion,
  config: async () => (await import("./config.ts")).defineConfig,
  sandbox: async () => (await import("./sandbox.ts")).defineSandbox,
  __complete: async () => (await import("./complete.ts")).defineComplete,
};

/** They tell about the other commands. */
const ABOUT_COMMANDS = new Set(["completion", "config"]);

/**
 * The command `name`; every command when it is none, or one that needs the others. Defining them all takes
 * longer than most commands run.
 */
export function commandsFor(name: string | undefined): Promise<readonly CommandModule[]> {
  const command = name === undefined || !Object.hasOwn(COMMANDS, name) ? undefined : COMMANDS[name];
  const all = command === undefined || ABOUT_COMMANDS.has(name ?? "");
  return Promise.all((all ? Object.values(COMMANDS) : [command]).map((load) => load()));
}
