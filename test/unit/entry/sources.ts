import { Readable } from "node:stream";
import { CsvSource } from "../../../src/entry/sources/csv-source.ts";
import { Input, type InputForm } from "../../../src/lib/input.ts";
import { type LineFormat, LineSource } from "../../../src/entry/sources/line-source.ts";
import { BadLine, type EntrySource } from "../../../src/entry/sources/source.ts";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";

const UNLIMITED = { skipLines: 0, maxLine: 1_000_000 };

/** What a source gave for one line: its fields as latin1 text, or the reason why there are none. */
export interface Got {
  readonly line: number;
  readonly fields?: string[];
  readonly bad?: string;
  readonly raw: string;
}

function inputOf(chunks: readonly (string | Buffer)[], form: InputForm = {}): Input {
  const buffers = chunks.map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk));
  return new Input(Readable.from(buffers), new AbortController().signal, form);
}

export function lineSource(
  format: LineFormat,
  chunks: readonly (string | Buffer)[],
  options = UNLIMITED,
): LineSource {
  return new LineSource(inputOf(chunks, { binary: format.text === "plain" }), format, options);
}

export function csvSource(
  form: "csv" | "tsv",
  chunks: readonly (string | Buffer)[],
  options = UNLIMITED,
): CsvSource {
  return new CsvSource(inputOf(chunks), { ...options, form });
}

/** Everything a source gives, to its end. */
export async function drain(source: EntrySource): Promise<Got[]> {
  const draft = new EntryDraft();
  const all: Got[] = [];
  for (;;) {
    try {
      if (source.next(draft)) {
        const fields = draft.fields().map((field) => field.toString("latin1"));
        all.push({ line: source.line, fields, raw: rawOf(source) });
      } else if (!(await source.more())) break;
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      all.push({ line: error.line, bad: error.describe(), raw: rawOf(source) });
    }
  }
  source.close();
  return all;
}

function rawOf(source: EntrySource): string {
  return Buffer.from(source.raw()).toString("latin1");
}

/** The same bytes in pieces of the given sizes, in turn. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
