import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "./context.ts";
import { FORMATS, OWN_FORMATS } from "./output/output.ts";
import { commandsFor } from "./commands/index.ts";
import { CONNECTION_GROUP, connectionOptions } from "./config/connection-options.ts";
import { CliCommand } from "./help/cli-command.ts";
import { EXIT_CODES } from "./help/exit-codes.ts";
import { TOPICS } from "./help/topic-names.ts";
import { version } from "./version.ts";

/** What a command does; the code it returns is the run's exit code, nothing means done. */
export type Action = (
  context: Context,
  args: string[],
  options: Record<string, unknown>,
) => Promise<number | void>;

/** Wires an action to a command: `define(program, act)` of every command file gets this as `act`. */
export type Act = (action: Action) => (...parameters: unknown[]) => Promise<void>;

/** A command file exports one of these. */
export type CommandModule = (program: Command, act: Act) => void;

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
  for (const option of globalOptions()) program.addOption(option);
  for (const define of commands) define(program, act);
  defineHelp(program);
  program.addHelpText("after", `\n${EXIT_CODES}`);
  program.addHelpText("afterAll", ({ command }) => (command.parent === null ? "" : `\n${globalFlags()}`));
  return program;
}

/** One line for what every command takes; in full it stands in the help of the program and of the connection. */
function globalFlags(): string {
  const flags = (options: readonly Option[]): string[] =>
    options.map(({ short, long }) => short ?? long ?? "").filter((flag) => flag !== "");
  const common = flags(commonOptions()).join(", ");
  const where = flags(connectionOptions()).slice(0, 3).join(", ");
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

/** The flags that every command takes, in the order of the help text. */
function globalOptions(): Option[] {
  return [...commonOptions(), ...connectionOptions().map((option) => option.helpGroup(CONNECTION_GROUP))];
}

function commonOptions(): Option[] {
  return [
    outputOption(),
    new Option("--json", "the same as -o json"),
    new Option("--no-color", "no colour"),
    new Option("--wide", "cut nothing and leave nothing out to fit the terminal"),
    new Option("-q, --quiet", "no summaries"),
    new Option("-v, --verbose", "more detail, and stack traces of errors"),
    new Option("-y, --yes", "answer yes to every question"),
  ];
}

/** Also takes a format that is one command's own: which command it is, is not known yet (see src/run.ts). */
function outputOption(): Option {
  const known = [...FORMATS, ...Object.keys(OWN_FORMATS)];
  const own = Object.entries(OWN_FORMATS).map(([format, command]) => `, for ${command} also ${format}`);
  const choices = FORMATS.join(", ") + own.join("");
  const option = new Option("-o, --output <format>", "output format").choices([...FORMATS]);
  return option.argParser((text: string) => {
    if (!known.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${choices}.`);
    return text;
  });
}
