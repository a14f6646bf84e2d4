import { Buffer, isUtf8 } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { SchemaCheck } from "./schema.ts";
import { BadLine, type EntrySource } from "./source.ts";

/** The value that stands for an entry before its schema. */
export type EntryValue = (source: EntrySource, draft: EntryDraft) => unknown;

/** The JSON value of the line itself. */
export const lineValue: EntryValue = (source) => {
  const { buffer, byteOffset, byteLength } = source.raw();
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
  // The decoder has passed a byte order mark and knows the rest to be JSON.
  return JSON.parse(text.startsWith("\uFEFF") ? text.slice(1) : text);
};

/**
 * The entry's fields as an object of strings. A value that is not UTF-8 is `{"base64":"…"}`, as where
 * entries are printed; a field that is repeated has an array.
 */
export const fieldsValue: EntryValue = (_, draft) => {
  const values = new Map<string, unknown[]>();
  const fields = draft.fields();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString("utf8");
    const value = plainValue(fields[i + 1] as Buffer);
    const earlier = values.get(name);
    if (earlier) earlier.push(value);
    else values.set(name, [value]);
  }
  // Not by assignment: a field may be called __proto__.
  return Object.fromEntries(Array.from(values, ([name, all]) => [name, all.length === 1 ? all[0] : all]));
};

function plainValue(value: Buffer): unknown {
  return isUtf8(value) ? value.toString("utf8") : { base64: value.toString("base64") };
}

/** Lets through only entries that match a schema; the others are bad lines. */
export class CheckedSource implements EntrySource {
  readonly #source: EntrySource;
  readonly #check: SchemaCheck;
  readonly #value: EntryValue;

  constructor(source: EntrySource, check: SchemaCheck, value: EntryValue) {
    this.#source = source;
    this.#check = check;
    this.#value = value;
  }

  get line(): number {
    return this.#source.line;
  }

  get bytesRead(): number {
    return this.#source.bytesRead;
  }

  next(draft: EntryDraft): boolean {
    if (!this.#source.next(draft)) return false;
    const fault = this.#check(this.#value(this.#source, draft));
    if (fault !== undefined) throw new BadLine(this.line, fault);
    return true;
  }

  more(): Promise<boolean> {
    return this.#source.more();
  }

  raw(): Uint8Array {
    return this.#source.raw();
  }

  close(): void {
    this.#source.close();
  }
}
