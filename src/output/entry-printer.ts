import type { ChalkInstance } from "chalk";
import type { stringify } from "csv-stringify/sync";
import type { Page } from "../engine/read/page.ts";
import { type Entry, fieldValue } from "../entry/entry.ts";
import { idMs } from "../entry/id.ts";
import { entryPrefix, JsonBytes, writeEntry } from "../entry/json-encode.ts";
import { entryPieces, isLarge, LARGE } from "../entry/json-pieces.ts";
import { FieldList } from "./column.ts";
import { mustFit, plainText, timeText } from "./format.ts";
import type { Output } from "./output.ts";
import { safeBytes, safeText, shortBytes } from "./safe-text.ts";

/** Entries as text of one format, page by page. */
export interface EntryPrinter {
  /** The next page, in pieces: a large value is never put together as text. Never called with none. */
  pieces(page: Page): Iterable<Buffer | string>;
  /** What follows the last page. */
  end(): string;
}

export interface EntryPrinterOptions {
  /** Print only these fields; undefined prints all. */
  readonly fields?: readonly Buffer[] | undefined;
  /** Entries come from several streams, so each says from which. */
  readonly manyStreams: boolean;
}

export async function createEntryPrinter(
  output: Pick<Output, "format" | "color" | "room">,
  options: EntryPrinterOptions,
): Promise<EntryPrinter> {
  const { format } = output;
  switch (format) {
    case "ndjson":
      return new JsonPrinter(options, false);
    case "json":
      return new JsonPrinter(options, true);
    case "raw":
      return new RawPrinter(options);
    case "csv": {
      const csv = await import("csv-stringify/sync");
      return new CsvPrinter(options, csv.stringify);
    }
    case "table": {
      const [{ Chalk }, { textWidth }] = await Promise.all([import("chalk"), import("./text-width.ts")]);
      return new TerminalPrinter(options, new Chalk({ level: output.color ? 1 : 0 }), output.room, textWidth);
    }
    default:
      return format satisfies never;
  }
}

/** A read that gives more entries than this is bounded: none of them is worth a look at its size. */
const FEW = 16;

/** The one JSON form, as lines or as one array. */
class JsonPrinter implements EntryPrinter {
  readonly #fields: readonly Buffer[] | undefined;
  readonly #array: boolean;
  readonly #out = new JsonBytes();
  readonly #prefixes = new Map<string, Buffer>();
  #empty = true;

  constructor({ fields }: EntryPrinterOptions, array: boolean) {
    this.#fields = fields;
    this.#array = array;
  }

  *pieces(page: Page): Generator<Buffer, undefined> {
    const out = this.#out;
    for (const { stream, entries } of page) {
      const prefix = this.#prefix(stream);
      for (const whole of entries) {
        if (this.#array) out.raw(this.#empty ? "[" : ",\n");
        this.#empty = false;
        const entry = this.#fields ? picked(whole, this.#fields) : whole;
        if (entries.length <= FEW && isLarge(entry)) {
          yield out.take();
          yield* entryPieces(prefix, entry, {}, "");
        } else writeEntry(out, prefix, entry);
        if (!this.#array) out.byte(0x0a);
      }
    }
    yield out.take();
  }

  end(): string {
    if (!this.#array) return "";
    return this.#empty ? "[]\n" : "]\n";
  }

  #prefix(stream: string): Buffer {
    let prefix = this.#prefixes.get(stream);
    if (!prefix) this.#prefixes.set(stream, (prefix = entryPrefix(stream)));
    return prefix;
  }
}

const TAB = Buffer.from("\t");
const LINE_END = Buffer.from("\n");

/** The values alone, as the bytes they are: tab-separated, each entry followed by a line end. */
class RawPrinter implements EntryPrinter {
  readonly #fields: readonly Buffer[] | undefined;

  constructor({ fields }: EntryPrinterOptions) {
    this.#fields = fields;
  }

  *pieces(page: Page): Generator<Buffer, undefined> {
    let parts: Buffer[] = [];
    for (const { entries } of page) {
      for (const entry of entries) {
        const values = this.#fields ? valuesOf(entry, this.#fields) : allValues(entry);
        for (const [index, value] of values.entries()) {
          if (index > 0) parts.push(TAB);
          if (value.length < LARGE) parts.push(value);
          else {
            yield Buffer.concat(parts);
            yield value;
            parts = [];
          }
        }
        parts.push(LINE_END);
      }
    }
    yield Buffer.concat(parts);
  }

  end(): string {
    return "";
  }
}

/** `stream,id` and a column for each field asked for, else one column with all fields as JSON. */
class CsvPrinter implements EntryPrinter {
  readonly #fields: readonly Buffer[] | undefined;
  readonly #stringify: typeof stringify;
  #first = true;

  constructor({ fields }: EntryPrinterOptions, toText: typeof stringify) {
    this.#fields = fields;
    this.#stringify = toText;
  }

  *pieces(page: Page): Generator<string, undefined> {
    const rows: string[][] = [];
    if (this.#first) rows.push(this.#head());
    this.#first = false;
    for (const { stream, entries } of page) {
      for (const entry of entries) rows.push([stream, entry.id, ...this.#cells(entry)]);
    }
    yield this.#stringify(rows);
  }

  end(): string {
    return "";
  }

  #head(): string[] {
    return ["stream", "id", ...(this.#fields?.map((field) => plainText(field)) ?? ["fields"])];
  }

  #cells(entry: Entry): string[] {
    if (!this.#fields) return [plainText(new FieldList(entry.fields))];
    return valuesOf(entry, this.#fields).map((value) => plainText(value));
  }
}

/** Longer values are cut on a terminal. */
const SHOWN_BYTES = 2_000;

/** For people: the ID, its time, and the fields, on one line where they fit. */
class TerminalPrinter implements EntryPrinter {
  readonly #options: EntryPrinterOptions;
  readonly #style: ChalkInstance;
  readonly #room: number;
  readonly #widthOf: (text: string) => number;

  /** Without `room` nothing is cut and every entry is a line. */
  constructor(
    options: EntryPrinterOptions,
    style: ChalkInstance,
    room: number = Number.POSITIVE_INFINITY,
    widthOf: (text: string) => number,
  ) {
    this.#options = options;
    this.#style = style;
    this.#room = room;
    this.#widthOf = widthOf;
  }

  *pieces(page: Page): Generator<string, undefined> {
    let text = "";
    for (const { stream, entries } of page) {
      for (const entry of entries) text += this.#entry(stream, entry);
    }
    yield text;
  }

  end(): string {
    return "";
  }

  #entry(stream: string, entry: Entry): string {
    const { fields, manyStreams } = this.#options;
    const shown = fields ? picked(entry, fields).fields : entry.fields;
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < shown.length; i += 2)
      pairs.push([this.#text(shown[i] as Buffer), this.#text(shown[i + 1] as Buffer)]);
    const head = [entry.id, timeText(idMs(entry.id)), ...(manyStreams ? [safeText(stream)] : [])];
    const line = pairs.map((pair) => pair.join("=")).join(" ");
    const fits = this.#widthOf([...head, line].join("  ")) <= this.#room;
    const styled = [this.#style.bold(head[0]), this.#style.dim(head[1]), ...head.slice(2)].join("  ");
    const name = (text: string): string => this.#style.cyan(text);
    if (fits)
      return (
        `${styled}  ${pairs.map(([field, value]) => `${name(field)}=${value}`).join(" ")}`.trimEnd() + "\n"
      );
    return `${styled}\n${pairs.map(([field, value]) => `    ${name(field)}=${value}\n`).join("")}`;
  }

  #text(bytes: Buffer): string {
    if (this.#room !== Number.POSITIVE_INFINITY) return shortBytes(bytes, SHOWN_BYTES);
    mustFit(bytes.length);
    return safeBytes(bytes);
  }
}

/** The entry with only those of its fields that were asked for, in its own order. */
function picked(entry: Entry, names: readonly Buffer[]): Entry {
  const fields: Buffer[] = [];
  for (let i = 0; i + 1 < entry.fields.length; i += 2) {
    const name = entry.fields[i] as Buffer;
    if (names.some((wanted) => wanted.equals(name))) fields.push(name, entry.fields[i + 1] as Buffer);
  }
  return { id: entry.id, fields };
}

/** For each name its first value, empty where the entry has no such field. */
function valuesOf(entry: Entry, names: readonly Buffer[]): Buffer[] {
  return names.map((name) => fieldValue(entry, name) ?? NOTHING);
}

const NOTHING = Buffer.alloc(0);

function allValues({ fields }: Entry): Buffer[] {
  return fields.filter((_, index) => index % 2 === 1);
}
