import { type Command, InvalidArgumentError, type Option } from "commander";
import type { Layer } from "../config/layers.ts";
import { environmentName, parseSwitch, SETTINGS } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { flagOf, nameOf, type RuleInWords } from "./flag.ts";
import { Line, rulesOf } from "./flag-rules.ts";
import { commandPath, withParents } from "./tree.ts";

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

/**
 * Whether variables and files can have a default for a flag; those of the connection have settings instead.
 */
export function hasDefault(option: Option): boolean {
  return !RESOLVED_ELSEWHERE.has(nameOf(option));
}

/** A flag's value that the command line does not have, and where it comes from. */
export interface FlagDefault {
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

/**
 * Gives a command the flags that its command line left out, each from the strongest of its sources that has
 * it: STREAMCTL_<FLAG>, or the profiles' and files' defaults for this command. They go through the flags' own
 * parsers; an error names the variable, or file and line. A default that contradicts what a stronger source
 * says, or does nothing without another flag, is left out: the rules are those of the flags (see Marks in
 * flag.ts). `accept` throws InvalidArgumentError for a value that the flag takes elsewhere, but not here.
 */
export function applyFlagDefaults(command: Command, sources: DefaultSources, accept: Accept): void {
  const path = commandPath(command);
  const giving = new Giving(command);
  let waiting = withParents(command)
    .flatMap((at) => flagDefaults(at, path, sources).map((one) => ({ ...one, at })))
    .filter(({ option }) => !giving.isSaid(nameOf(option)))
    .sort(
      (a, b) =>
        yielding(a, "always") - yielding(b, "always") ||
        b.strength - a.strength ||
        yielding(a, "to equals") - yielding(b, "to equals"),
    );
  // What needs another flag waits until that one is there.
  for (let before = Infinity; waiting.length < before;) {
    before = waiting.length;
    waiting = waiting.filter((one) => {
      if (!giving.mayCount(one)) return true;
      giving.give(one, parsed(one, accept));
      return false;
    });
  }
}

/** Judges the value of a default. */
export type Accept = (option: Option, value: unknown) => void;

/** 1 for what gives way to others in this manner, and so comes after them. */
function yielding({ option }: FlagDefault, manner: RuleInWords["yields"]): number {
  return rulesOf(flagOf(option)?.not).some(({ yields }) => yields === manner) ? 1 : 0;
}

type Candidate = FlagDefault & { readonly at: Command };

/** The defaults of one run, as they are given one by one. */
class Giving {
  readonly line: Line;
  /** How strong the source of each flag's value is, by the flag's name. */
  readonly #strengths = new Map<string, number>();

  constructor(command: Command) {
    this.line = new Line(command);
    for (const { at, option } of this.line.options) {
      const source = at.getOptionValueSource(option.attributeName());
      if (source !== undefined && source !== "default") this.#strengths.set(nameOf(option), Infinity);
    }
  }

  isSaid(name: string): boolean {
    return this.#strengths.has(name);
  }

  give({ at, option, strength }: Candidate, value: unknown): void {
    at.setOptionValueWithSource(option.attributeName(), value, "config");
    this.#strengths.set(nameOf(option), strength);
  }

  /** Whether all that it needs is there, and nothing that it contradicts. */
  mayCount({ option, strength }: Candidate): boolean {
    const { needs, not, asDefault } = flagOf(option) ?? {};
    const allNeeds = [...rulesOf(needs), ...rulesOf(asDefault?.needs)];
    if (!allNeeds.every((rule) => this.line.hasAny(rule))) return false;
    const forbids = [...rulesOf(not), ...rulesOf(asDefault?.not)];
    const outdone = ({ any, yields }: RuleInWords): boolean =>
      any.some((term) => {
        const other = this.#strengthOf(term);
        if (yields === "to equals") return other >= strength;
        return yields === "always" ? other > -1 : other > strength;
      });
    return !forbids.some(outdone) && !this.#contradicts(`--${nameOf(option)}`, strength);
  }

  /** -1: it is not there. What is typed and no flag is as strong as a flag that is. */
  #strengthOf(term: string): number {
    if (!this.line.has(term)) return -1;
    return this.#strengths.get(term.slice(2)) ?? Infinity;
  }

  /** Whether a stronger flag's rules are against this one. */
  #contradicts(flag: string, strength: number): boolean {
    return this.line.options.some(({ option }) => {
      const { not, asDefault } = flagOf(option) ?? {};
      const rules = [...rulesOf(not), ...rulesOf(asDefault?.not)];
      const other = rules.some(({ any }) => any.includes(flag))
        ? this.#strengthOf(`--${nameOf(option)}`)
        : -1;
      return other > strength;
    });
  }
}

/** What there is for the flags of `at`, which is the command at `path` or a parent of it. */
export function flagDefaults(at: Command, path: string, { layers, env }: DefaultSources): FlagDefault[] {
  const setByWorker = new Set(env[SET_BY_WORKER]?.split(" ").map((name) => `STREAMCTL_${name}`));
  return at.options.flatMap((option) => {
    if (!hasDefault(option)) return [];
    const flag = nameOf(option);
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
function parsed({ option, texts, source }: FlagDefault, accept: Accept): unknown {
  if (option.isBoolean() || option.negate) {
    const on = texts.length === 1 ? parseSwitch(texts[0] as string) : undefined;
    if (on === undefined) throw new UsageError(`${source}: --${nameOf(option)}: give true or false`);
    return option.negate ? !on : on;
  }
  let value: unknown;
  for (const text of texts) {
    try {
      value = option.parseArg ? option.parseArg(text, value as never) : text;
      accept(option, value);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new UsageError(`${source}: --${nameOf(option)}: ${error.message}`, { cause: error });
    }
  }
  return value;
}
