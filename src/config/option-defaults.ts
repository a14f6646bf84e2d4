import { type Command, InvalidArgumentError, type Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import type { ConfigFile } from "./file.ts";
import type { Layer } from "./layers.ts";
import { alternativesTo, flagOf, partnersOf, yieldsToOperands } from "./option-conflicts.ts";
import { environmentName, parseSwitch, SETTINGS } from "./settings.ts";
import { didYouMean } from "./suggest.ts";

/**
 * Names, without STREAMCTL_, of the variables that a worker set for this handler: they describe an entry. As
 * defaults for flags they would make a `streamctl produce` inside a handler use that entry's ID.
 */
const SET_BY_WORKER = "STREAMCTL_SET_BY_WORKER";

/** Flags without a default of this kind: the connection settings resolve theirs with profiles and URLs. */
const RESOLVED_ELSEWHERE = new Set<string>([
  ...Object.values(SETTINGS).flatMap(({ flag }) => flag ?? []),
  "profile",
  "config",
  "help",
  "version",
]);

/** A flag's value that the command line does not have, and where it comes from. */
export interface OptionDefault {
  readonly option: Option;
  readonly texts: readonly string[];
  readonly source: string;
  /** The place of its source in the order of strength: more is stronger. */
  readonly strength: number;
}

/** Where defaults come from: `layersOf` and the variables. */
export interface DefaultSources {
  readonly layers: readonly Layer[];
  readonly env: Io["env"];
}

/** `dlq list` for the command and its parents, without the program's own name. */
export function commandPath(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

/**
 * Gives a command the options that its command line left out, each from the strongest of its sources that has
 * it: STREAMCTL_<OPTION>, or the profiles' and files' defaults for this command. They go through the flags' own
 * parsers; an error names the variable, or file and line. A default that contradicts what a stronger source says,
 * or does nothing without another flag, is left out (see option-conflicts.ts).
 */
export function applyOptionDefaults(command: Command, sources: DefaultSources): void {
  const path = commandPath(command);
  const chain: Command[] = [];
  for (let at: Command | null = command; at; at = at.parent) chain.push(at);
  /** How strong the source of each flag's value is. */
  const strengths = new Map<string, number>();
  const found: (OptionDefault & { readonly at: Command; readonly flag: string })[] = [];
  for (const at of chain) {
    for (const option of at.options) {
      const source = at.getOptionValueSource(option.attributeName());
      if (source !== undefined && source !== "default") strengths.set(flagOf(option), Infinity);
    }
    for (const one of optionDefaults(at, path, sources)) {
      const flag = flagOf(one.option);
      if (!strengths.has(flag)) found.push({ ...one, at, flag });
    }
  }
  const give = ({ at, flag, strength, ...one }: (typeof found)[number]): void => {
    if (yieldsToOperands(command, path, flag)) return;
    if (alternativesTo(path, flag).some((other) => (strengths.get(other) ?? -1) > strength)) return;
    at.setOptionValueWithSource(one.option.attributeName(), parsed({ ...one, strength }), "config");
    strengths.set(flag, strength);
  };
  const isAlone = ({ flag }: { readonly flag: string }): boolean => partnersOf(path, flag) === undefined;
  found.sort((a, b) => b.strength - a.strength);
  found.filter(isAlone).forEach(give);
  for (const one of found.filter((one) => !isAlone(one)))
    if (partnersOf(path, one.flag)?.some((other) => strengths.has(other))) give(one);
}

/** What there is for the options of `at`, which is the command at `path` or a parent of it. */
export function optionDefaults(at: Command, path: string, { layers, env }: DefaultSources): OptionDefault[] {
  const setByWorker = new Set(env[SET_BY_WORKER]?.split(" ").map((name) => `STREAMCTL_${name}`));
  return at.options.flatMap((option) => {
    const flag = flagOf(option);
    if (RESOLVED_ELSEWHERE.has(flag)) return [];
    const variable = environmentName(flag);
    const text = setByWorker.has(variable) ? undefined : env[variable];
    for (const [strength, layer] of [...layers.entries()].toReversed()) {
      if (layer === "environment") {
        if (text) return [{ option, texts: [text], source: `env ${variable}`, strength }];
        continue;
      }
      const found = layer.settings.defaults.get(path)?.get(flag);
      if (!found) continue;
      const where = `${layer.file.path}:${found.line}`;
      const source = layer.profile === undefined ? where : `profile ${layer.profile} in ${where}`;
      return [{ option, texts: found.texts, source, strength }];
    }
    return [];
  });
}

/** Runs the text through the option's own parser, once for each text of a list. */
function parsed({ option, texts, source }: OptionDefault): unknown {
  if (option.isBoolean() || option.negate) {
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
