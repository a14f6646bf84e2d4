import type { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { type Flag, flagOf, longName, nameOf, type Rule, type RuleInWords } from "./flag.ts";

/**
 * What a command line says by now, as the rules of flags ask for it: what was typed, and the defaults it was
 * given.
 */
export class Line {
  readonly #command: Command;
  /** By long name. A command may have a flag of its own with the name of a global one. */
  readonly #options = new Map<string, Place[]>();

  constructor(command: Command) {
    this.#command = command;
    for (let at: Command | null = command; at; at = at.parent)
      for (const option of at.options) {
        const name = nameOf(option);
        this.#options.set(name, [...(this.#options.get(name) ?? []), { at, option }]);
      }
  }

  /** The options of the command, and then those of its parents. */
  get options(): readonly Place[] {
    return [...this.#options.values()].flat();
  }

  /** Whether one of the things that a rule names is there. */
  hasAny({ any }: RuleInWords): boolean {
    return any.some((term) => this.has(term));
  }

  has(term: string): boolean {
    if (term === "--") return rawArguments(this.#command).includes("--");
    if (!term.startsWith("--")) return this.#hasArgument(term);
    const [name = "", value] = term.slice(2).split(" ");
    const places = this.#options.get(name) ?? [];
    return places.some(
      ({ at, option }) =>
        isGiven(at, option) && (value === undefined || at.getOptionValue(option.attributeName()) === value),
    );
  }

  #hasArgument(term: string): boolean {
    const name = term.replace(/^[<[]|(\.{3})?[>\]]$/g, "");
    const at = this.#command.registeredArguments.findIndex((argument) => argument.name() === name);
    return at >= 0 && this.#command.args.length > at;
  }
}

/** An option, and the command that has it. */
export interface Place {
  readonly at: Command;
  readonly option: Option;
}

/** A switch that is turned off is as good as none. */
function isGiven(at: Command, option: Option): boolean {
  const name = option.attributeName();
  const source = at.getOptionValueSource(name);
  if (source === undefined || source === "default") return false;
  return at.getOptionValue(name) !== option.negate;
}

function rawArguments(command: Command): readonly string[] {
  if (command.parent) return rawArguments(command.parent);
  return (command as Command & { readonly rawArgs: readonly string[] }).rawArgs;
}

/** Fails with exit 2 when a flag is missing, contradicts another, or would do nothing. */
export function checkRules(line: Line): void {
  const flags = line.options.flatMap(({ option }) => flagOf(option) ?? []);
  for (const one of flags)
    if (one.required !== undefined && !line.has(longName(one))) throw new UsageError(one.required);
  const given = flags.filter((one) => line.has(longName(one)));
  for (const one of given) {
    for (const rule of rulesOf(one.needs))
      if (!line.hasAny(rule)) throw broken(rule, given, one, "needs", ` goes with ${rule.any.join(" or ")}`);
    for (const rule of rulesOf(one.not)) {
      const other = rule.any.find((term) => line.has(term));
      if (other !== undefined) throw broken(rule, given, one, "not", ` and ${other} exclude each other`);
    }
  }
}

function broken(
  { says }: RuleInWords,
  given: readonly Flag[],
  one: Flag,
  kind: "needs" | "not",
  otherwise: string,
): UsageError {
  if (says === undefined) return new UsageError(longName(one) + otherwise);
  if (!says.startsWith(":")) return new UsageError(says.startsWith(" ") ? longName(one) + says : says);
  const alike = given.filter((each) => rulesOf(each[kind]).some((rule) => rule.says === says));
  return new UsageError(alike.map(longName).join(", ") + says);
}

export function rulesOf(rules: Rule | readonly Rule[] | undefined): readonly RuleInWords[] {
  if (rules === undefined) return [];
  return (isList(rules) ? rules : [rules]).map((rule) => (typeof rule === "string" ? { any: [rule] } : rule));
}

function isList(rules: Rule | readonly Rule[]): rules is readonly Rule[] {
  return Array.isArray(rules);
}

/** Every term of a flag's rules, for the test that each of them is there. */
export function termsOf({ needs, not, asDefault }: Flag): string[] {
  return [needs, not, asDefault?.needs, asDefault?.not].flatMap((rules) =>
    rulesOf(rules).flatMap(({ any }) => any),
  );
}
