import type { Command, Option } from "commander";
import { flagOf, type Names } from "../commands/flag.ts";
import { rootOf } from "../commands/tree.ts";
import { TOPICS } from "../help/topic-names.ts";
import { namesOfArgument, namesOfOption, takesFile } from "./known-names.ts";

/** A word that may stand at the cursor. */
export interface Offer {
  readonly word: string;
  readonly about: string;
}

/** What a command line says that is still being typed. */
export interface TypedLine {
  /** What the word at the cursor names; undefined where nothing can be looked up. */
  readonly wanted: Names | undefined;
  /** Subcommands, flags, or the values of a flag or an operand with a fixed set of them; none where something else is wanted. */
  readonly words: readonly Offer[];
  /** The word names a file, or belongs to another program's line. */
  readonly files: boolean;
  /** The word as far as it is typed, without the flag before `=`. */
  readonly prefix: string;
  readonly operands: readonly string[];
  /** The values of the command's own flags, by long name without dashes. */
  readonly options: ReadonlyMap<string, string>;
  /** The global flags that could be understood, as commander would have parsed them. */
  readonly globals: Readonly<Record<string, unknown>>;
}

/**
 * Reads a line up to the cursor. It may be wrong or unfinished anywhere, so what can't be understood is passed
 * over. `program` has at least the command that is named.
 */
export function readLine(program: Command, line: string): TypedLine {
  const words = shellWords(line).slice(1);
  const reading = new Reading(program);
  for (const word of words.slice(0, -1)) reading.take(word);
  return reading.end(words.at(-1) ?? "");
}

/** The name of the command in a line: the first word that is none of the global flags' or their values. */
export function commandOf(program: Command, line: string): string | undefined {
  const reading = new Reading(program);
  for (const word of shellWords(line).slice(1, -1)) reading.take(word);
  return reading.firstOperand;
}

class Reading {
  #command: Command;
  readonly #operands: string[] = [];
  readonly #options = new Map<string, string>();
  readonly #globals: Record<string, unknown> = {};
  readonly #given = new Set<Option>();
  /** A flag whose value is the next word. */
  #open: Option | undefined;
  /** Behind `--` stands another program's line. */
  #over = false;

  constructor(program: Command) {
    this.#command = program;
  }

  get firstOperand(): string | undefined {
    return this.#operands[0];
  }

  take(word: string): void {
    const option = this.#open;
    this.#open = undefined;
    if (this.#over) return;
    if (option) this.#set(option, word);
    else if (word === "--") this.#over = true;
    else if (word.startsWith("--")) this.#long(word);
    else if (word.startsWith("-") && word !== "-") this.#short(word);
    else this.#operand(word);
  }

  end(word: string): TypedLine {
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const option = equals < 0 ? this.#open : this.#find(word.slice(0, equals));
    const isFlag = this.#open === undefined && word.startsWith("-") && equals < 0;
    const value = isFlag || this.#over ? NOTHING : option ? valuesOf(option) : this.#operandValues(equals);
    return {
      ...value,
      words: isFlag && !this.#over ? this.#flags() : value.words,
      files: this.#over || value.files,
      prefix: word.slice(equals + 1),
      operands: this.#operands,
      options: this.#options,
      globals: this.#globals,
    };
  }

  /** The flags that may follow: the command's own, then those of the program, but none that was given. */
  #flags(): Offer[] {
    const command = this.#command;
    const root = rootOf(command);
    const own = command.createHelp().visibleOptions(command);
    // A command may give a global flag's letter or name a meaning of its own.
    const taken = new Set(own.flatMap(flagsOf));
    const inherited = root.options.filter(
      (option) =>
        !option.hidden && option.long !== "--version" && !flagsOf(option).some((flag) => taken.has(flag)),
    );
    return [...own, ...(command === root ? [] : inherited)]
      .filter((option) => !this.#given.has(option) || flagOf(option)?.many)
      .flatMap((option) => flagsOf(option).map((word) => ({ word, about: option.description })));
  }

  #operandValues(equals: number): Values {
    const command = this.#command;
    // The value of a flag that nothing is known of.
    if (equals >= 0) return NOTHING;
    const args = command.registeredArguments;
    const last = args.at(-1);
    const argument = args[this.#operands.length] ?? (last?.variadic ? last : undefined);
    const wanted = argument && namesOfArgument(command, argument);
    return { wanted, words: this.#operands.length > 0 ? [] : firstWords(command), files: false };
  }

  #operand(word: string): void {
    const child =
      this.#operands.length === 0 ? this.#command.commands.find((each) => each.name() === word) : undefined;
    if (child) this.#command = child;
    else this.#operands.push(word);
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const option = this.#find(equals < 0 ? word : word.slice(0, equals));
    if (!option) return;
    if (equals >= 0) this.#set(option, word.slice(equals + 1));
    else this.#flag(option);
  }

  /** `-qv`, `-g billing` or `-gbilling`. */
  #short(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const option = this.#find(`-${word[at]}`);
      if (!option) return;
      if (option.required) {
        const value = word.slice(at + 1);
        if (value === "") this.#open = option;
        else this.#set(option, value);
        return;
      }
      this.#flag(option);
    }
  }

  #flag(option: Option): void {
    this.#given.add(option);
    if (option.required) this.#open = option;
    else if (this.#isGlobal(option)) this.#globals[option.attributeName()] = !option.negate;
  }

  #set(option: Option, text: string): void {
    this.#given.add(option);
    if (!this.#isGlobal(option)) {
      this.#options.set((option.long ?? "").slice(2), text);
      return;
    }
    try {
      this.#globals[option.attributeName()] = option.parseArg ? option.parseArg(text, undefined) : text;
    } catch {
      // Nothing is asked of a server that is named wrongly, but that will show when the line is run.
    }
  }

  #isGlobal(option: Option): boolean {
    return rootOf(this.#command).options.includes(option);
  }

  /** The command's own flag before that of its parents. */
  #find(flag: string): Option | undefined {
    for (let at: Command | null = this.#command; at; at = at.parent) {
      const option = at.options.find(({ short, long }) => short === flag || long === flag);
      if (option) return option;
    }
    return undefined;
  }
}

type Values = Pick<TypedLine, "wanted" | "words" | "files">;

const NOTHING: Values = { wanted: undefined, words: [], files: false };

function valuesOf(option: Option): Values {
  const words = (option.argChoices ?? []).map((word) => ({ word, about: "" }));
  return { wanted: namesOfOption(option), words, files: takesFile(option) };
}

/** What may come first: subcommands, or what the first operand may be where that is a fixed set. */
function firstWords(command: Command): Offer[] {
  const { parent } = command;
  if (parent !== null && command.name() === "help") {
    const commands = visible(parent).filter(({ word }) => word !== "help");
    return [...commands, ...Object.keys(TOPICS).map((word) => ({ word, about: "" }))];
  }
  const choices = command.registeredArguments[0]?.argChoices ?? [];
  return [...visible(command), ...choices.map((word) => ({ word, about: "" }))];
}

function visible(command: Command): Offer[] {
  return (
    command
      .createHelp()
      .visibleCommands(command)
      // Not the one that commander makes.
      .filter((child) => command.commands.includes(child))
      .map((child) => ({ word: child.name(), about: child.description() }))
  );
}

/** `-o` and `--output`, whichever there are. */
function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

/**
 * The words of an unfinished line as a shell takes them: quotes and backslashes, no expansions. The last word
 * is the one at the cursor, empty after a space.
 */
function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else if (character === "\\" && quote === '"') word += line[++at] ?? "";
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (character === "\\") word = (word ?? "") + (line[++at] ?? "");
    else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  return [...words, word ?? ""];
}
