import { Buffer, isUtf8 } from "node:buffer";
import type { EntryDraft } from "../entry-draft.ts";
import { parseJson, RepeatedName } from "../json-parse.ts";
import { StreamctlError } from "../../errors.ts";
import { PatternRunsAway } from "./schema-patterns.ts";
import type { SchemaCheck } from "./schema.ts";
import { BadLine, type EntrySource } from "./source.ts";

/** The value that stands for an entry before its schema. Throws RepeatedName for names that stand twice. */
export type EntryValue = (source: EntrySource, draft: EntryDraft) => unknown;

/** The JSON value of the line itself, which the decoder knows to be JSON. */
export const lineValue: EntryValue = (source) => parseJson(asBuffer(source.raw()));

/** The entry's fields as an object of strings; one that is not UTF-8 is `{"base64":"…"}`, as where entries are printed. */
export const fieldsValue: EntryValue = (_, draft) => {
  const values = new Map<string, unknown>();
  const fields = draft.fields();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString("utf8");
    if (values.has(name)) throw new RepeatedName("", name);
    values.set(name, plainValue(fields[i + 1] as Buffer));
  }
  // Not by assignment: a field may be called __proto__.
  return Object.fromEntries(values);
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
    const fault = this.#fault(draft);
    if (fault !== undefined) throw new BadLine(this.line, fault);
    return true;
  }

  /** A handler takes the one or the other of two fields with one name, so neither may go unchecked. */
  #fault(draft: EntryDraft): string | undefined {
    try {
      return this.#check(this.#value(this.#source, draft));
    } catch (error) {
      if (error instanceof PatternRunsAway)
        throw new StreamctlError("failed", `line ${this.line}: ${error.message}`, {
          hint: "it must not repeat what repeats, as (a+)+ does",
          cause: error,
        });
      if (!(error instanceof RepeatedName)) throw error;
      return error.path === "" ? error.message : `${error.path}: ${error.message}`;
    }
  }

  more(): Promise<boolean> {
    return this.#source.more();
  }

  raw(): Uint8Array {
    return this.#source.raw();
  }

  head(): Uint8Array | undefined {
    return this.#source.head?.();
  }

  close(): void {
    this.#source.close();
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
