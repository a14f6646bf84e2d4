import type { Command, Option } from "commander";
import { TOPICS } from "../help/topic-names.ts";
import { namesOfArgument, namesOfOption, placeholderOf } from "./known-names.ts";

/** A command as completion scripts need it. */
export interface CompletionCommand {
  /** Its name; the root's is the program's. */
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletionOption[];
  readonly subcommands: readonly CompletionCommand[];
  /** What its first argument may be, where that is a fixed set. */
  readonly choices: readonly string[];
  /** Whether any of its arguments is a name that can be looked up. */
  readonly names: boolean;
}

export interface CompletionOption {
  /** `-o`, `--output`: one or both. */
  readonly short?: string | undefined;
  readonly long?: string | undefined;
  readonly description: string;
  readonly value: OptionValue;
}

export type OptionValue =
  | { readonly kind: "none" }
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  | { readonly kind: "file" }
  /** What can be looked up. */
  | { readonly kind: "names"; readonly name: string }
  | { readonly kind: "text"; readonly name: string };

/** Every command with the flags it takes, the global ones included. What help hides is left out. */
export function completionTree(program: Command): CompletionCommand {
  const globals = program.options.filter(({ hidden, long }) => !hidden && long !== "--version");
  return describeCommand(program, globals);
}

function describeCommand(command: Command, globals: readonly Option[]): CompletionCommand {
  const help = command.createHelp();
  const own = help.visibleOptions(command);
  // A command may give a global flag's letter or name a meaning of its own.
  const taken = new Set(own.flatMap(flagsOf));
  const inherited = globals.filter((option) => !flagsOf(option).some((flag) => taken.has(flag)));
  return {
    name: command.name(),
    description: command.description(),
    options: [...own, ...inherited].map(describeOption),
    subcommands: help
      .visibleCommands(command)
      // Not the one that commander makes.
      .filter((child) => command.commands.includes(child))
      .map((child) => describeCommand(child, globals)),
    choices: choicesOf(command),
    names: command.registeredArguments.some((argument) => namesOfArgument(command, argument) !== undefined),
  };
}

function choicesOf(command: Command): readonly string[] {
  const { parent } = command;
  if (command.name() !== "help" || parent === null) return command.registeredArguments[0]?.argChoices ?? [];
  const commands = parent.createHelp().visibleCommands(parent);
  return [...commands.map((each) => each.name()).filter((name) => name !== "help"), ...Object.keys(TOPICS)];
}

function describeOption(option: Option): CompletionOption {
  return {
    short: option.short,
    long: option.long,
    description: option.description,
    value: optionValue(option),
  };
}

function optionValue(option: Option): OptionValue {
  const name = placeholderOf(option);
  if (name === undefined) return { kind: "none" };
  if (option.argChoices) return { kind: "choices", choices: option.argChoices };
  if (namesOfOption(option) !== undefined) return { kind: "names", name };
  return /^(file|path|folder)$/i.test(name) ? { kind: "file" } : { kind: "text", name };
}

/** `-o` and `--output`, whichever there are. */
export function flagsOf({ short, long }: Pick<CompletionOption, "short" | "long">): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

/** Every command below the root with the names that lead to it, parents first. */
export function* commandsBelow(
  command: CompletionCommand,
  path: readonly string[] = [],
): Generator<{ path: readonly string[]; command: CompletionCommand }> {
  for (const child of command.subcommands) {
    const childPath = [...path, child.name];
    yield { path: childPath, command: child };
    yield* commandsBelow(child, childPath);
  }
}
