import { Argument as Operand, type Command, type Option } from "commander";
import type { Context } from "../context.ts";
import type { GroupName, StreamKey } from "../entry/names.ts";
import { type Flag, FlagOption, flagOf, type ValuesOf } from "./flag.ts";
import { checkRules, Line } from "./flag-rules.ts";
import type { CommonValues } from "./global-flags.ts";

/** One operand of a command: `<stream>`, `[pattern]`, `<id...>`. */
export interface Argument<Spec extends string = string, Choice extends string = string> {
  readonly spec: Spec;
  readonly about: string;
  readonly choices?: readonly Choice[];
}

export function argument<const Spec extends string, const Choice extends string = string>(
  spec: Spec,
  about: string,
  choices?: readonly Choice[],
): Argument<Spec, Choice> {
  return choices ? { spec, about, choices } : { spec, about };
}

type ValueOfArgument<Spec extends string, Choice extends string> = Spec extends "<stream>"
  ? StreamKey
  : Spec extends "<group>"
    ? GroupName
    : Spec extends `${string}...${string}`
      ? Choice[]
      : Spec extends `<${string}`
        ? Choice
        : Choice | undefined;

/** What a run function gets of the operands: one value for each, a list for the last if it takes several. */
export type ArgumentsOf<Args extends readonly Argument[]> = {
  [At in keyof Args]: Args[At] extends Argument<infer Spec, infer Choice>
    ? ValueOfArgument<Spec, Choice>
    : never;
};

/** What a run function gets of the command's flags and of those that every command takes. */
export type FlagsOf<Flags extends readonly Flag[]> = Flags extends readonly []
  ? CommonValues
  : ValuesOf<Flags> & Omit<CommonValues, keyof ValuesOf<Flags>>;

/** What a run function may ask of the command line besides. */
export interface Invocation {
  /** The program and its arguments after `--`, of a command that `takesProgram`. */
  readonly program: readonly string[];
  /** The tree of commands; with a name, just that one of them. */
  readonly tree: (name?: string) => Promise<Command>;
}

/** What a command does; the code it returns is the run's exit code, nothing means done. */
export type RunFunction<Args, Flags> = (
  context: Context,
  args: Args,
  flags: Flags,
  invocation: Invocation,
) => Promise<number | void>;

interface Parts {
  readonly name: string;
  readonly about: string;
  /** Where the operands alone would not tell how they are used. */
  readonly usage?: string;
  /** What help says below the flags. */
  readonly notes?: string;
  readonly examples?: readonly string[];
  readonly hidden?: true;
  /** It touches no configured server, and must work when a configuration file is broken. */
  readonly withoutConfig?: true;
  /** Its flags are only those that are typed: a broken variable must not end it. */
  readonly withoutDefaults?: true;
  /** What stands after `--` is a program for it to run. */
  readonly takesProgram?: true;
  /** How errors end a run for which this flag is given, those that come before it runs included. */
  readonly failure?: { readonly with: string; readonly of: (message: string) => Failure };
}

/** What stdout and the exit code say of an error, besides its line on stderr. */
export interface Failure {
  readonly text: string;
  readonly code: number;
}

/** A command as it is declared; the file with its run function is loaded when it runs. */
export interface CommandDefinition extends Parts {
  readonly args: readonly Argument[];
  readonly flags: readonly Flag[];
  readonly run: () => Promise<{ readonly run: RunFunction<Operands, Record<string, unknown>> }>;
}

export type Operands = readonly (string | string[] | undefined)[];

/** Commands below a common name: `dlq list`. */
export interface CommandGroup {
  readonly name: string;
  readonly about: string;
  /** What help says below the commands. */
  readonly notes?: string;
  readonly commands: readonly CommandDefinition[];
}

export function command<
  const Args extends readonly Argument[] = readonly [],
  const Flags extends readonly Flag[] = readonly [],
>(
  parts: Parts & {
    readonly args?: Args;
    readonly flags?: Flags;
    readonly run: () => Promise<{
      readonly run: RunFunction<NoInfer<ArgumentsOf<Args>>, NoInfer<FlagsOf<Flags>>>;
    }>;
  },
): CommandDefinition {
  // What is known here of args and flags, readFlags and commander make true.
  return { ...parts, args: parts.args ?? [], flags: parts.flags ?? [] } as unknown as CommandDefinition;
}

/** Wires a command's run function to the tree. */
export type Act = (definition: CommandDefinition) => (...parameters: unknown[]) => Promise<void>;

/** Adds a command, or a group of them, below `parent`. */
export function define(parent: Command, definition: CommandDefinition | CommandGroup, act: Act): void {
  const { name, about } = definition;
  if ("commands" in definition) {
    const group = parent.command(name).description(about);
    for (const one of definition.commands) define(group, one, act);
    if (definition.notes !== undefined) group.addHelpText("after", `\n${definition.notes}`);
    return;
  }
  const { args, flags, usage, hidden = false } = definition;
  const one = parent.command(name, { hidden }).description(about);
  for (const { spec, about, choices } of args) {
    const operand = new Operand(spec, about);
    one.addArgument(choices ? operand.choices([...choices]) : operand);
  }
  if (usage !== undefined) one.usage(usage);
  for (const each of flags) one.addOption(new FlagOption(each));
  const help = helpBelow(definition);
  if (help !== "") one.addHelpText("after", help);
  one.action(act(definition));
}

function helpBelow({ notes, examples }: CommandDefinition): string {
  const parts = notes === undefined ? [] : [notes.trim()];
  if (examples) parts.push(["Examples:", ...examples.map((line) => `  ${line}`)].join("\n"));
  return parts.map((part) => `\n${part}`).join("\n");
}

/**
 * The values of a command's flags and of the common ones, as its run function takes them. Fails with exit 2
 * when they break a rule. To be called when the defaults of files and environment are there.
 */
export function readFlags(command: Command): Record<string, unknown> {
  const line = new Line(command);
  checkRules(line);
  const values: Record<string, unknown> = command.optsWithGlobals();
  for (const { option } of line.options) values[option.attributeName()] ??= valueByDefault(option);
  return values;
}

/** A switch that nobody touched is off, or on if its flag says no. */
function valueByDefault(option: Option): unknown {
  if (option.isBoolean() || option.negate) return option.negate;
  const text = flagOf(option)?.default;
  return text === undefined || !option.parseArg ? text : option.parseArg(text, undefined);
}
