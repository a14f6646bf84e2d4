import type { Command } from "commander";
import { type Act, define } from "./commands/command.ts";
import { type Flag, FlagOption } from "./commands/flag.ts";
import { COMMON_FLAGS, CONNECTION_FLAGS } from "./commands/global-flags.ts";
import { commandsFor } from "./commands/index.ts";
import { CliCommand } from "./help/cli-command.ts";
import { EXIT_CODES } from "./help/exit-codes.ts";
import { TOPICS } from "./help/topic-names.ts";
import { version } from "./version.ts";

/**
 * The command tree with the global flags: whole, or with just the command `name` when there is one of that
 * name. Loads no Redis, no tables, no prompts.
 */
export async function buildProgram(act: Act, name?: string): Promise<Command> {
  const commands = await commandsFor(name);
  const program = new CliCommand("streamctl")
    .description("The command-line tool for Redis Streams")
    .version(version, "-V, --version")
    .exitOverride()
    .showSuggestionAfterError()
    .enablePositionalOptions(false)
    .helpOption("-h, --help", "this help")
    .helpCommand(false);
  for (const one of [...COMMON_FLAGS, ...CONNECTION_FLAGS]) program.addOption(new FlagOption(one));
  for (const definition of commands) define(program, definition, act);
  defineHelp(program);
  program.addHelpText("after", `\n${EXIT_CODES}`);
  program.addHelpText("afterAll", ({ command }) => (command.parent === null ? "" : `\n${globalFlags()}`));
  return program;
}

/** One line for what every command takes; in full it stands in the help of the program and of the connection. */
function globalFlags(): string {
  const shortest = (flags: readonly Flag[]): string[] =>
    flags.map(({ spec }) => spec.split(/[ ,]/)[0] ?? spec);
  const common = shortest(COMMON_FLAGS).join(", ");
  const where = shortest(CONNECTION_FLAGS).slice(0, 3).join(", ");
  return `Every command also takes ${common} (streamctl --help), and where to connect: ${where}, --profile … (streamctl help connection).`;
}

/** `streamctl help`, with what comes after it: a command, or a topic. */
function defineHelp(program: Command): void {
  program
    .command("help")
    .description("show help on a command or a topic")
    .argument("[topic...]", `a command like dlq replay, or one of: ${Object.keys(TOPICS).join(", ")}`)
    .action(async (words: string[]) => {
      const { showHelp } = await import("./help/topics.ts");
      showHelp(program, words);
    })
    .addHelpText("after", HELP_EXAMPLES);
}

const HELP_EXAMPLES = `
Examples:
  streamctl help dlq replay
  streamctl help connection`;
