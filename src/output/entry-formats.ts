import type { ChalkInstance } from "chalk";
import type { Batch } from "../engine/read/reader.ts";
import { type Entry, fieldValue } from "../entry/entry.ts";
import { idMs } from "../entry/id.ts";
import { entryPrefix, writeEntry } from "../entry/json-encode.ts";
import { entryPieces, isLarge, LARGE } from "../entry/json-pieces.ts";
import { type Column, FieldList } from "./column.ts";
import type { CsvFormat } from "./csv.ts";
import type { fieldLines } from "./entry-text.ts";
import { mustFit, plainText, timeText } from "./format.ts";
import { JsonObjects } from "./json.ts";
import type { Output } from "./output.ts";
import type { PrintFormat } from "./printer.ts";
import { safeBytes, safeText, shortBytes } from "./safe-text.ts";

export interface EntryOptions {
  /** Print only these fields; undefined prints all. */
  readonly fields?: readonly Buffer[] | undefined;
  /** Entries come from several streams, so each says from which. */
  readonly manyStreams: boolean;
  /** `raw`: a NUL byte ends each entry, not a line end. */
  readonly nul?: boolean | undefined;
  /** Every field on lines of its own, JSON laid out. */
  readonly pretty?: boolean | undefined;
}

/**
 * What prints entries in the format of the run. None of these formats is ever full: what prints takes the
 * text after each page, which is bounded.
 */
export async function openEntryFormat(
  output: Pick<Output, "format" | "color" | "room">,
  options: EntryOptions,
): Promise<PrintFormat<Batch>> {
  const { format } = output;
  if (options.pretty) {
    const [{ Chalk }, { fieldLines }] = await Promise.all([import("chalk"), import("./entry-text.ts")]);
    return new PrettyFormat(options, new Chalk({ level: output.color ? 1 : 0 }), fieldLines);
  }
  switch (format) {
    case "ndjson":
      return new EntryJson(options, "lines");
    case "json":
      return new EntryJson(options, "array");
    case "raw":
      return new EntryValues(options);
    case "csv": {
      const { CsvFormat } = await import("./csv.ts");
      return new EntryCsv(new CsvFormat(entryColumns(options)));
    }
    case "table": {
      const [{ Chalk }, { textWidth }] = await Promise.all([import("chalk"), import("./text-width.ts")]);
      return new TextFormat(options, new Chalk({ level: output.color ? 1 : 0 }), output.room, textWidth);
    }
    default:
      return format satisfies never;
  }
}

/** A read that gives more entries than this is bounded: none of them is worth a look at its size. */
const FEW = 16;

/** The one JSON form of an entry. */
class EntryJson implements PrintFormat<Batch> {
  readonly full = false;
  readonly #fields: readonly Buffer[] | undefined;
  readonly #objects: JsonObjects;
  readonly #prefixes = new Map<string, Buffer>();

  constructor({ fields }: EntryOptions, form: "lines" | "array") {
    this.#fields = fields;
    this.#objects = new JsonObjects(form);
  }

  add({ stream, entries }: Batch): void {
    const objects = this.#objects;
    const prefix = this.#prefix(stream);
    for (const whole of entries) {
      objects.begin();
      const entry = this.#fields ? picked(whole, this.#fields) : whole;
      if (entries.length <= FEW && isLarge(entry)) objects.addLarge(entryPieces(prefix, entry, {}, ""));
      else writeEntry(objects.out, prefix, entry);
      objects.finish();
    }
  }

  take(): Iterable<Buffer> {
    return this.#objects.take();
  }

  end(): string {
    return this.#objects.end();
  }

  #prefix(stream: string): Buffer {
    let prefix = this.#prefixes.get(stream);
    if (!prefix) this.#prefixes.set(stream, (prefix = entryPrefix(stream)));
    return prefix;
  }
}

const TAB = Buffer.from("\t");
const LINE_END = Buffer.from("\n");
const NUL = Buffer.from("\0");

/** `raw`: the values alone, as the bytes they are, tab-separated, each entry followed by a line end or NUL. */
class EntryValues implements PrintFormat<Batch> {
  readonly full = false;
  readonly #fields: readonly Buffer[] | undefined;
  readonly #end: Buffer;
  /** Small values and what separates them. */
  #small: Buffer[] = [];
  #pieces: Buffer[] = [];

  constructor({ fields, nul }: EntryOptions) {
    this.#fields = fields;
    this.#end = nul ? NUL : LINE_END;
  }

  add({ entries }: Batch): void {
    for (const entry of entries) {
      const values = this.#fields ? valuesOf(entry, this.#fields) : allValues(entry);
      for (const [index, value] of values.entries()) {
        if (index > 0) this.#small.push(TAB);
        if (value.length < LARGE) this.#small.push(value);
        else this.#pieces.push(this.#takeSmall(), value);
      }
      this.#small.push(this.#end);
    }
  }

  /** A large value is a piece of its own, and not copied. */
  take(): Iterable<Buffer> {
    return [...this.#pieces.splice(0), this.#takeSmall()];
  }

  #takeSmall(): Buffer {
    const bytes = Buffer.concat(this.#small);
    this.#small = [];
    return bytes;
  }
}

interface EntryRow extends Entry {
  readonly stream: string;
}

/** A row for each entry. */
class EntryCsv implements PrintFormat<Batch> {
  readonly full = false;
  readonly #rows: CsvFormat<EntryRow>;

  constructor(rows: CsvFormat<EntryRow>) {
    this.#rows = rows;
  }

  add({ stream, entries }: Batch): void {
    for (const { id, fields } of entries) this.#rows.add({ stream, id, fields });
  }

  take(): string {
    return this.#rows.take();
  }
}

/** `stream`, `id` and each field asked for, else all fields as JSON in one. */
function entryColumns({ fields }: EntryOptions): Column<EntryRow>[] {
  const column = (key: string, value: Column<EntryRow>["value"]): Column<EntryRow> => ({
    key,
    title: key,
    value,
  });
  return [
    column("stream", ({ stream }) => stream),
    column("id", ({ id }) => id),
    ...(fields?.map((name) => column(plainText(name), (entry) => fieldValue(entry, name) ?? NOTHING)) ?? [
      column("fields", (entry) => new FieldList(entry.fields)),
    ]),
  ];
}

/** Longer values are cut on a terminal. */
const SHOWN_BYTES = 2_000;

/** For people: the ID, its time, and the fields, on one line where they fit. */
class TextFormat implements PrintFormat<Batch> {
  readonly full = false;
  readonly #options: EntryOptions;
  readonly #style: ChalkInstance;
  readonly #room: number;
  readonly #widthOf: (text: string) => number;
  #text = "";

  /** Without `room` nothing is cut and every entry is a line. */
  constructor(
    options: EntryOptions,
    style: ChalkInstance,
    room: number = Number.POSITIVE_INFINITY,
    widthOf: (text: string) => number,
  ) {
    this.#options = options;
    this.#style = style;
    this.#room = room;
    this.#widthOf = widthOf;
  }

  add({ stream, entries }: Batch): void {
    for (const entry of entries) this.#text += this.#entry(stream, entry);
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }

  #entry(stream: string, entry: Entry): string {
    const { fields, manyStreams } = this.#options;
    const shown = fields ? picked(entry, fields).fields : entry.fields;
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < shown.length; i += 2)
      pairs.push([this.#shown(shown[i] as Buffer), this.#shown(shown[i + 1] as Buffer)]);
    const head = [entry.id, timeText(idMs(entry.id)), ...(manyStreams ? [safeText(stream)] : [])];
    const line = pairs.map((pair) => pair.join("=")).join(" ");
    const fits = this.#widthOf([...head, line].join("  ")) <= this.#room;
    const styled = entryHead(entry, manyStreams ? stream : undefined, this.#style);
    const name = (text: string): string => this.#style.cyan(text);
    if (fits)
      return (
        `${styled}  ${pairs.map(([field, value]) => `${name(field)}=${value}`).join(" ")}`.trimEnd() + "\n"
      );
    return `${styled}\n${pairs.map(([field, value]) => `    ${name(field)}=${value}\n`).join("")}`;
  }

  #shown(bytes: Buffer): string {
    if (this.#room !== Number.POSITIVE_INFINITY) return shortBytes(bytes, SHOWN_BYTES);
    mustFit(bytes.length);
    return safeBytes(bytes);
  }
}

/** For people who read payloads: an entry a block. */
class PrettyFormat implements PrintFormat<Batch> {
  readonly full = false;
  readonly #options: EntryOptions;
  readonly #style: ChalkInstance;
  readonly #linesOf: typeof fieldLines;
  #text = "";

  constructor(options: EntryOptions, style: ChalkInstance, linesOf: typeof fieldLines) {
    this.#options = options;
    this.#style = style;
    this.#linesOf = linesOf;
  }

  add({ stream, entries }: Batch): void {
    const { fields, manyStreams } = this.#options;
    for (const entry of entries) {
      const shown = fields ? picked(entry, fields).fields : entry.fields;
      this.#text += `${entryHead(entry, manyStreams ? stream : undefined, this.#style)}\n`;
      this.#text += this.#linesOf(shown, this.#style, "    ");
    }
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

/** The ID, its time, and from which of several streams. */
function entryHead({ id }: Entry, stream: string | undefined, style: ChalkInstance): string {
  const parts = [style.bold(id), style.dim(timeText(idMs(id)))];
  if (stream !== undefined) parts.push(safeText(stream));
  return parts.join("  ");
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
