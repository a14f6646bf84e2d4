import { type Command, InvalidArgumentError, type Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import type { FileDefault, FileSettings } from "./file-reader.ts";
import type { ConfigFile } from "./file.ts";
import { environmentName, parseSwitch, SETTINGS } from "./settings.ts";
import { didYouMean } from "./suggest.ts";

/**
 * Variables that a worker sets for the commands it runs (see the README): they describe one entry. As
 * defaults for flags they would make a `streamctl produce` inside a handler use that entry's ID.
 */
const HANDLER_VARIABLES = new Set(
  ["STREAM", "GROUP", "CONSUMER", "ID", "DELIVERIES", "TIMESTAMP"].map((name) => `STREAMCTL_${name}`),
);

/** Flags without a default of this kind: the connection settings resolve theirs with profiles and URLs. */
const RESOLVED_ELSEWHERE = new Set<string>([
  ...Object.values(SETTINGS).flatMap(({ flag }) => flag ?? []),
  "profile",
  "config",
  // The same as --output json, which has a default of its own.
  "json",
  "help",
  "version",
]);

/** A flag's value that the command line does not have, and where it comes from. */
export interface OptionDefault {
  readonly option: Option;
  readonly texts: readonly string[];
  readonly source: string;
}

/** `dlq list` for the command and its parents, without the program's own name. */
export function commandPath(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

/**
 * Gives a command the options that its command line left out: from STREAMCTL_<OPTION>, else from the
 * profile's, else from the files' defaults for this command. They go through the flags' own parsers; an
 * error names the variable, or file and line.
 */
export function applyOptionDefaults(
  command: Command,
  files: readonly ConfigFile[],
  profile: string | undefined,
  env: Io["env"],
): void {
  const path = commandPath(command);
  for (let at: Command | null = command; at; at = at.parent) {
    for (const found of optionDefaults(at, path, files, profile, env)) {
      const name = found.option.attributeName();
      const source = at.getOptionValueSource(name);
      if (source !== undefined && source !== "default") continue;
      at.setOptionValueWithSource(name, parsed(found), "config");
    }
  }
}

/** What there is for the options of `at`, which is the command at `path` or a parent of it. */
export function optionDefaults(
  at: Command,
  path: string,
  files: readonly ConfigFile[],
  profile: string | undefined,
  env: Io["env"],
): OptionDefault[] {
  return at.options.flatMap((option) => {
    const flag = flagOf(option);
    if (RESOLVED_ELSEWHERE.has(flag)) return [];
    const variable = environmentName(flag);
    const text = env[variable];
    if (text && !HANDLER_VARIABLES.has(variable)) {
      return [{ option, texts: [text], source: `env ${variable}` }];
    }
    const found = fromFiles(files, profile, path, flag);
    return found ? [{ option, ...found }] : [];
  });
}

function fromFiles(
  files: readonly ConfigFile[],
  profile: string | undefined,
  path: string,
  flag: string,
): { texts: readonly string[]; source: string } | undefined {
  const places: [FileSettings | undefined, (found: FileDefault) => string][] = [];
  const strongest = files.toReversed();
  if (profile !== undefined) {
    for (const file of strongest)
      places.push([file.profiles.get(profile), ({ line }) => `profile ${profile} in ${file.path}:${line}`]);
  }
  for (const file of strongest) places.push([file, ({ line }) => `${file.path}:${line}`]);
  for (const [settings, describe] of places) {
    const found = settings?.defaults.get(path)?.get(flag);
    if (found) return { texts: found.texts, source: describe(found) };
  }
  return undefined;
}

/** Runs the text through the option's own parser, once for each text of a list. */
function parsed({ option, texts, source }: OptionDefault): unknown {
  if (option.isBoolean()) {
    const on = texts.length === 1 ? parseSwitch(texts[0] as string) : undefined;
    if (on === undefined) throw new UsageError(`${source}: --${flagOf(option)}: give true or false`);
    return option.negate ? !on : on;
  }
  let value: unknown;
  for (const text of texts) {
    try {
      value = option.parseArg ? option.parseArg(text, value as never) : text;
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new UsageError(`${source}: --${flagOf(option)}: ${error.message}`, { cause: error });
    }
  }
  return option.variadic && !Array.isArray(value) ? [value] : value;
}

/** Whether a file has defaults for any command: then they have to be checked. */
export function hasDefaults(file: ConfigFile): boolean {
  return [file, ...file.profiles.values()].some(({ defaults }) => defaults.size > 0);
}

/**
 * Every command and flag that a file's defaults name must exist in the whole tree below `root`: a typo
 * would silently change nothing.
 */
export function checkDefaults(root: Command, file: ConfigFile): void {
  const commands = allCommands(root);
  for (const { defaults } of [file, ...file.profiles.values()]) {
    for (const [path, flags] of defaults) {
      const command = commands.get(path);
      const line = [...flags.values()][0]?.line ?? 1;
      if (!command)
        throw new UsageError(
          `${file.path}:${line}: defaults for "${path}", which is no command${didYouMean(path, commands.keys())}`,
        );
      const known = flagNames(command);
      for (const [flag, { line }] of flags) {
        if (!known.has(flag))
          throw new UsageError(
            `${file.path}:${line}: ${path} has no option "${flag}"${didYouMean(flag, known)}`,
          );
      }
    }
  }
}

/** Every command by its path, in the order of the help text. */
export function allCommands(root: Command): Map<string, Command> {
  const found = new Map<string, Command>();
  const visit = (command: Command): void => {
    for (const child of command.commands) {
      found.set(commandPath(child), child);
      visit(child);
    }
  };
  visit(root);
  return found;
}

function flagNames(command: Command): Set<string> {
  const names = new Set<string>();
  for (let at: Command | null = command; at; at = at.parent)
    for (const option of at.options) if (!RESOLVED_ELSEWHERE.has(flagOf(option))) names.add(flagOf(option));
  return names;
}

/** The long name without dashes: `claim-idle`, `no-ack`. */
export function flagOf(option: Option): string {
  return (option.long ?? option.short ?? "").replace(/^--?/, "");
}
