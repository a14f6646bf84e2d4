import { InvalidArgumentError, Option } from "commander";
import type { GroupName, StreamKey } from "../entry/names.ts";
import { parseCount, parseDuration, parseRate, parseSize } from "../units.ts";

/**
 * All that is said about a flag, in one place: from it come the parser, the type that the run function sees,
 * the help, the variable and the key in configuration files, what Tab offers, and its line in docs/. `Spec`
 * is what is typed: `-g, --group <group>`, `--no-ack`.
 */
export interface Flag<Spec extends string = string, Value = unknown> extends Marks {
  readonly spec: Spec;
  /**
   * What it does, as help says it; what is added for the default and the choices comes from their own fields.
   */
  readonly about: string;
  /** What it may be, where that is a fixed set. */
  readonly choices?: readonly string[] | undefined;
  /** It may be given several times. */
  readonly many?: boolean;
  /** The value of a text; throws InvalidArgumentError. Undefined: the text itself, or no value at all. */
  readonly read?: ((text: string) => unknown) | undefined;
  /** The part of the help it stands in. */
  readonly heading?: string;
  /** For the types alone: there is no such field. */
  readonly [VALUE]?: Value;
}

declare const VALUE: unique symbol;

export interface Marks {
  /** What it is when nobody says it: a text that the flag reads as it does a typed one. */
  readonly default?: string;
  /** The same where the command decides: words for the help. */
  readonly otherwise?: string;
  /** It can't be left out; without it, this is the error. */
  readonly required?: string;
  /** What has to be there, or the flag would do nothing: all of these rules. */
  readonly needs?: Rule | readonly Rule[];
  /** What the flag contradicts. */
  readonly not?: Rule | readonly Rule[];
  /** Rules for its default alone: a typed flag is free of them. */
  readonly asDefault?: { readonly needs?: Rule; readonly not?: Rule };
  /** Where a default may stand, if not anywhere: not in a project's file, or in no file at all. */
  readonly defaults?: "not in projects" | "not in files";
  /** What its value names, where the word in `<…>` does not tell (completion/known-names.ts). */
  readonly names?: Names;
}

/** What is looked up when Tab is pressed, because only the server or the configuration knows it. */
export type Names = "streams" | "keys" | "groups" | "consumers" | "profiles" | "letters" | "pending";

/**
 * What stands on a command line: a flag (`--group`), a flag with one value (`--input lines`), an argument
 * (`[id...]`), or `--` for a program after two dashes.
 */
export type Rule = string | RuleInWords;

export interface RuleInWords {
  readonly any: readonly string[];
  /**
   * The error: a sentence; what follows the flag's name, if it begins with a space; what follows the names of
   * all flags that break such a rule, if it begins with a colon.
   */
  readonly says?: string;
  /**
   * The flag's default gives way to defaults of these, always or to equally strong ones; without, they clash.
   */
  readonly yields?: "to equals" | "always";
}

type Given<Value, M> = M extends { readonly default: string } | { readonly required: string }
  ? Value
  : Value | undefined;

/** The ways to make a flag, by what its value is. */
export const flag = {
  /** On or off. `--no-x` is on unless it is given; its value is called `x`. */
  switch<const Spec extends string>(spec: Spec, about: string, marks: Marks = {}): Flag<Spec, boolean> {
    return { ...marks, spec, about };
  },

  text<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<string, M>> {
    return { ...marks, spec, about };
  },

  /** The key of a stream. */
  stream<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<StreamKey, M>> {
    return { ...marks, spec, about };
  },

  /** The name of a consumer group. */
  group<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<GroupName, M>> {
    return { ...marks, spec, about };
  },

  /** One that may be given several times; `read` makes the value of each text. */
  list<const Spec extends string, Item = string>(
    spec: Spec,
    about: string,
    { read, ...marks }: Marks & { readonly read?: (text: string) => Item } = {},
  ): Flag<Spec, readonly Item[] | undefined> {
    return { ...marks, spec, about, many: true, read };
  },

  choice<const Spec extends string, const Choice extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    choices: readonly Choice[],
    marks?: M,
  ): Flag<Spec, Given<Choice, M>> {
    return { ...marks, spec, about, choices };
  },

  /** A whole number of at least `least` (1 unless it is said); `10k` and `1m` are understood. */
  count<const Spec extends string, const M extends Marks & { readonly least?: number } = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<number, M>> {
    const { least = 1, ...others }: Marks & { readonly least?: number } = marks ?? {};
    const parse = (text: string): number | undefined => {
      const count = parseCount(text);
      return count !== undefined && count >= least ? count : undefined;
    };
    const read = reader(parse, `a whole number of at least ${least} (10k and 1m are understood)`);
    return { ...others, spec, about, read };
  },

  /** In milliseconds. */
  duration<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<number, M>> {
    return { ...marks, spec, about, read: readDuration };
  },

  /** In bytes. */
  size<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<number, M>> {
    return { ...marks, spec, about, read: readSize };
  },

  /** Per second. */
  rate<const Spec extends string, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    marks?: M,
  ): Flag<Spec, Given<number, M>> {
    return { ...marks, spec, about, read: readRate };
  },

  /** Of any other kind. `parse` gives undefined for what is none, and the error says `Give FORM.`. */
  value<const Spec extends string, Value, const M extends Marks = Marks>(
    spec: Spec,
    about: string,
    { parse, form }: { parse: (text: string) => Value | undefined; form: string },
    marks?: M,
  ): Flag<Spec, Given<Value, M>> {
    return { ...marks, spec, about, read: reader(parse, form) };
  },
};

/** A reader of texts that says what it takes where it gets something else. */
export function reader<Value>(
  parse: (text: string) => Value | undefined,
  form: string,
): (text: string) => Value {
  return (text) => {
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError(`Give ${form}.`);
    return value;
  };
}

const readDuration = reader(parseDuration, "a duration like 250ms, 30s, 5m, 12h or 7d, 50 years at most");
const readSize = reader(parseSize, "a size like 512, 64kb or 10mb");
const readRate = reader(parseRate, "a rate like 500/s or 30/m");

/** The same flags below a heading of their own in the help. */
export function section<const Flags extends readonly Flag[]>(heading: string, flags: Flags): Flags {
  return flags.map((one) => ({ ...one, heading })) as unknown as Flags;
}

/** The same flags with marks that they get from where they are used. */
export function marked<const Flags extends readonly Flag[]>(
  flags: Flags,
  marks: (one: Flag) => Marks,
): Flags {
  return flags.map((one) => withMarks(one, marks(one))) as unknown as Flags;
}

/** Rules are added to those that the flag has. */
function withMarks(one: Flag, marks: Marks): Flag {
  const [needs, not] = [[one.needs ?? [], marks.needs ?? []].flat(), [one.not ?? [], marks.not ?? []].flat()];
  return { ...one, ...marks, needs, not };
}

/** Flags of which one at most may be given; `says` is the error (see RuleInWords). */
export function alternatives<const Flags extends readonly Flag[]>(flags: Flags, says: string): Flags {
  const names = flags.map(longName);
  return marked(flags, (one) => ({
    not: { any: names.filter((name) => name !== longName(one)), says },
  }));
}

/** What a run function gets of a list of flags: `maxLag` for `--max-lag`. */
export type ValuesOf<Flags extends readonly Flag[]> = {
  readonly [Each in Flags[number] as Attribute<Each["spec"]>]: Each extends Flag<string, infer Value>
    ? Value
    : never;
};

type LongName<Spec extends string> = Spec extends `${string}--${infer Rest}`
  ? Rest extends `${infer Name} ${string}`
    ? Name
    : Rest
  : never;

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type Attribute<Spec extends string> =
  LongName<Spec> extends `no-${infer Name}` ? CamelCase<Name> : CamelCase<LongName<Spec>>;

/** A flag as commander takes it. */
export class FlagOption extends Option {
  readonly flag: Flag;

  constructor(flag: Flag) {
    super(flag.spec, described(flag));
    this.flag = flag;
    const { choices, read, many, heading } = flag;
    if (choices) this.choices([...choices]);
    if (read || many)
      this.argParser((text: string, before: unknown) => {
        const value = read ? read(text) : text;
        return many ? [...((before as unknown[] | undefined) ?? []), value] : value;
      });
    if (heading !== undefined) this.helpGroup(heading);
  }
}

/** What the flag does and what it is by default, as help and docs/ say it. */
function described({ about, default: byDefault, otherwise }: Flag): string {
  const words = byDefault ?? otherwise;
  return words === undefined ? about : `${about} (default: ${words})`;
}

/** The declaration behind an option; commander's own, such as --help, have none. */
export function flagOf(option: Option): Flag | undefined {
  return option instanceof FlagOption ? option.flag : undefined;
}

/** The long name without dashes: `claim-idle`, `no-ack`. */
export function nameOf({ long, short }: Pick<Option, "long" | "short">): string {
  return (long ?? short ?? "").replace(/^--?/, "");
}

/** `--claim-idle`. */
export function longName({ spec }: Pick<Flag, "spec">): string {
  return /--[^ ]+/.exec(spec)?.[0] ?? spec;
}
