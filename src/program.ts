import { Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "./context.ts";
import { FORMATS, OWN_FORMATS } from "./output/output.ts";
import { commandsFor } from "./commands/index.ts";
import { connectionOptions } from "./config/connection-options.ts";
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
export function buildProgram(act: Act, name?: string): Command {
  const program = new Command("streamctl")
    .description("The command-line tool for Redis Streams")
    .version(version, "-V, --version")
    .exitOverride()
    .showSuggestionAfterError()
    .enablePositionalOptions(false)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true });
  for (const option of globalOptions()) program.addOption(option);
  for (const define of commandsFor(name)) define(program, act);
  program.addHelpText("after", EXIT_CODES);
  return program;
}

/** The flags that every command takes, in the order of the help text. */
function globalOptions(): Option[] {
  return [
    outputOption(),
    new Option("--json", "the same as -o json"),
    new Option("--no-color", "no colour"),
    new Option("--wide", "cut nothing and leave nothing out to fit the terminal"),
    new Option("-q, --quiet", "no summaries"),
    new Option("-v, --verbose", "more detail, and stack traces of errors"),
    new Option("-y, --yes", "answer yes to every question"),
    ...connectionOptions().map((option) => option.helpGroup("Connection options:")),
  ];
}

/** Also takes a format that is one command's own: which command it is, is not known yet (see src/run.ts). */
function outputOption(): Option {
  const known = [...FORMATS, ...Object.keys(OWN_FORMATS)];
  const option = new Option("-o, --output <format>", "output format").choices([...FORMATS]);
  return option.argParser((text: string) => {
    if (!known.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${FORMATS.join(", ")}.`);
    return text;
  });
}

const EXIT_CODES = `
Exit codes:
  0  done, or a clean stop on the first signal
  1  failed: a server error, or a bug
  2  usage: bad flags or bad input to a flag
  3  could not connect or authenticate, or lost the connection
  4  no such stream, group, consumer or entry
  5  partly done: some lines or entries were rejected
  6  a threshold was crossed, or a wait timed out
  7  outcome unknown: the connection died after sending
  128+n  ended by signal n before a clean stop`;
