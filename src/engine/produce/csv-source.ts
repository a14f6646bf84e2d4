import { Buffer } from "node:buffer";
import { type CsvError, parse, type Parser } from "csv-parse";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { Input } from "./input.ts";
import { BadLine, type EntrySource } from "./source.ts";

export interface CsvSourceOptions {
  readonly form: "csv" | "tsv";
  /** Records that end on or before this line are passed over; the header is read all the same. */
  readonly skipLines: number;
  /** The longest record that is held in memory, in bytes. */
  readonly maxLine: number;
}

interface Item {
  /** The line on which the record ends. */
  readonly line: number;
  readonly raw: Buffer;
  readonly content: readonly string[] | BadLine;
}

const NEWLINE = 10;
const RETURN = 13;

/**
 * Records of a CSV (RFC 4180) or TSV file whose first one names the fields. Values are bytes, whatever
 * their encoding; a quote inside an unquoted value is part of it. TSV has no quoting: a value is what
 * stands between two tabs. A record with more or fewer values than the header has is bad.
 */
export class CsvSource implements EntrySource {
  readonly #input: Input;
  readonly #options: CsvSourceOptions;
  readonly #parser: Parser;
  #names: readonly Buffer[] | undefined;
  #head: Buffer | undefined;
  #items: Item[] = [];
  #next = 0;
  #raw: Buffer = NOTHING;
  /** The input from the end of the last record on, and where that is in what the parser was given. */
  #text: Buffer = NOTHING;
  #textStart = 0;
  #lines = 0;
  #started = false;
  #ended = false;
  #unreadable = false;
  line = 0;

  constructor(input: Input, options: CsvSourceOptions) {
    this.#input = input;
    this.#options = options;
    // Records are taken in on_record, in order with the bad ones, and never pass through the stream.
    this.#parser = parse({
      delimiter: options.form === "csv" ? "," : "\t",
      quote: options.form === "csv" ? '"' : false,
      record_delimiter: ["\r\n", "\n"],
      // One character per byte, so that text stands for bytes of any encoding.
      encoding: "latin1",
      max_record_size: options.maxLine,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_record: (values: string[], { bytes }) => {
        if (!this.#unreadable) this.#items.push({ ...this.#passTo(bytes), content: values });
        return null;
      },
      on_skip: (error) => this.#onUnreadable(error),
    });
  }

  get bytesRead(): number {
    return this.#input.bytesRead;
  }

  next(draft: EntryDraft): boolean {
    for (;;) {
      const item = this.#items[this.#next];
      if (item === undefined) return false;
      this.#next++;
      this.line = item.line;
      this.#raw = item.raw;
      if (item.content instanceof BadLine) throw item.content;
      if (this.#names === undefined) {
        this.#names = item.content.map((name) => Buffer.from(name, "latin1"));
        this.#head = item.raw;
      } else if (item.line > this.#options.skipLines) {
        fill(draft, this.#names, item.content, item.line);
        return true;
      }
    }
  }

  async more(): Promise<boolean> {
    this.#items = [];
    this.#next = 0;
    while (this.#items.length === 0 && !this.#ended) {
      let chunk = await this.#input.read();
      if (chunk === undefined) this.#ended = true;
      else if (!this.#started) chunk = withoutMark(chunk);
      this.#started = true;
      await this.#parse(chunk);
    }
    return this.#items.length > 0;
  }

  raw(): Uint8Array {
    return this.#raw;
  }

  head(): Uint8Array | undefined {
    return this.#head;
  }

  close(): void {
    this.#input.close();
    this.#parser.destroy();
  }

  #parse(chunk: Buffer | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      if (chunk === undefined) {
        this.#parser.end(done);
        return;
      }
      this.#text = this.#text.length === 0 ? chunk : Buffer.concat([this.#text, chunk]);
      this.#parser.write(chunk, done);
    });
  }

  /** Passes over a record's text, up to an offset in what the parser was given. */
  #passTo(offset: number): { line: number; raw: Buffer } {
    const text = this.#text.subarray(0, Math.min(offset - this.#textStart, this.#text.length));
    this.#text = this.#text.subarray(text.length);
    this.#textStart += text.length;
    for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) this.#lines++;
    let begin = 0;
    let end = text.length;
    if (text[end - 1] === NEWLINE) end -= text[end - 2] === RETURN ? 2 : 1;
    else this.#lines++;
    while (begin < end && (text[begin] === NEWLINE || text[begin] === RETURN)) begin++;
    return { line: this.#lines, raw: text.subarray(begin, end) };
  }

  /** A quote that is never closed, or a record that is too long: nobody knows where the next record starts. */
  #onUnreadable(error: CsvError | undefined): undefined {
    if (this.#unreadable) return;
    this.#unreadable = true;
    const first = this.#lines + 1;
    const { line, raw } = this.#passTo(Number.POSITIVE_INFINITY);
    const tooLong = error?.code === "CSV_MAX_RECORD_SIZE";
    const reason = tooLong
      ? `the record that starts here is longer than ${this.#options.maxLine} bytes: a quote that is not closed? --max-line allows longer ones`
      : "the quote that opens in this record is never closed";
    this.#ended = true;
    const content = new BadLine(first, `${reason}; what follows was not read`, {
      final: true,
      whole: !tooLong,
    });
    this.#items.push({ line, raw, content });
    return undefined;
  }
}

function fill(draft: EntryDraft, names: readonly Buffer[], values: readonly string[], line: number): void {
  if (values.length !== names.length) {
    throw new BadLine(
      line,
      `${values.length} ${values.length === 1 ? "value" : "values"} where the header names ${names.length} fields`,
    );
  }
  draft.open(NOTHING);
  for (let i = 0; i < names.length; i++) {
    draft.addBytes(names[i] as Buffer);
    draft.addBytes(Buffer.from(values[i] as string, "latin1"));
  }
}

/** The start of the input without the byte order mark that spreadsheets write. */
function withoutMark(chunk: Buffer): Buffer {
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? chunk.subarray(3) : chunk;
}

const NOTHING = Buffer.alloc(0);
