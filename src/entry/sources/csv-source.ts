import { Buffer } from "node:buffer";
import { type CsvError, parse, type Parser } from "csv-parse";
import type { EntryDraft } from "../entry-draft.ts";
import type { Input } from "../../lib/input.ts";
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
const QUOTE = 0x22;
const COMMA = 0x2c;

/**
 * Records of a CSV (RFC 4180) or TSV file whose first one names the fields. Values are bytes, whatever
 * their encoding; a quote inside an unquoted value is part of it. TSV has no quoting: a value is what
 * stands between two tabs. A record with more or fewer values than the header has is bad.
 */
export class CsvSource implements EntrySource {
  readonly #input: Input;
  readonly #options: CsvSourceOptions;
  /** Made when the header has ended and shown how lines end. */
  #parser: Parser | undefined;
  #names: readonly Buffer[] | undefined;
  #head: Buffer | undefined;
  #items: Item[] = [];
  #next = 0;
  #raw: Buffer = NOTHING;
  /** The input from the end of the last record on, and where that is in what the parser was given. */
  #text: Buffer = NOTHING;
  #textStart = 0;
  #lines = 0;
  /** What was read before there is a parser. */
  #header: Buffer = NOTHING;
  #ended = false;
  /** Why the input can't be read any further: said when what came before has been taken. */
  #failure: Error | undefined;
  #unreadable = false;
  /** A carriage return without a newline ends a line. */
  #loneReturns = false;
  line = 0;

  constructor(input: Input, options: CsvSourceOptions) {
    this.#input = input;
    this.#options = options;
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
      if (this.#failure) throw this.#failure;
      const chunk = await this.#read();
      if (this.#failure) continue;
      if (chunk === undefined) this.#ended = true;
      if (this.#parser) await this.#parse(chunk);
      else await this.#parseHeader(chunk);
    }
    return this.#items.length > 0;
  }

  /** The parser holds a record back until more comes: where nothing will, one that is whole is taken all the same. */
  async #read(): Promise<Buffer | undefined> {
    try {
      return await this.#input.read();
    } catch (error) {
      this.#failure = error as Error;
      const last = this.#text.at(-1);
      const whole = last === NEWLINE || (last === RETURN && this.#loneReturns);
      if (this.#parser && whole) await this.#parse(undefined);
      return undefined;
    }
  }

  raw(): Uint8Array {
    return this.#raw;
  }

  head(): Uint8Array | undefined {
    return this.#head;
  }

  close(): void {
    this.#input.close();
    this.#parser?.destroy();
  }

  /**
   * Lines end as the first one does: a lone carriage return ends them only where it ends the header, and
   * else is part of a value.
   */
  async #parseHeader(chunk: Buffer | undefined): Promise<void> {
    if (chunk !== undefined) this.#header = Buffer.concat([this.#header, chunk]);
    const known = this.#header.length > this.#options.maxLine || this.#ended;
    const end = headerEnd(this.#header, this.#options.form === "csv");
    // Whether a carriage return stands alone shows only in what follows it.
    if (!known && (end < 0 || end === this.#header.length - 1)) return;
    const returns = this.#header[end] === RETURN && this.#header[end + 1] !== NEWLINE;
    this.#parser = this.#makeParser(returns ? ["\r\n", "\n", "\r"] : ["\r\n", "\n"]);
    const header = this.#header;
    this.#header = NOTHING;
    await this.#parse(header);
    if (chunk === undefined) await this.#parse(undefined);
  }

  /** Records are taken in on_record, in order with the bad ones, and never pass through the stream. */
  #makeParser(delimiters: string[]): Parser {
    const { form, maxLine } = this.#options;
    this.#loneReturns = delimiters.includes("\r");
    return parse({
      delimiter: form === "csv" ? "," : "\t",
      quote: form === "csv" ? '"' : false,
      record_delimiter: delimiters,
      // One character per byte, so that text stands for bytes of any encoding.
      encoding: "latin1",
      max_record_size: maxLine,
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

  #parse(chunk: Buffer | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve());
      if (chunk === undefined) {
        this.#parser?.end(done);
        return;
      }
      this.#text = this.#text.length === 0 ? chunk : Buffer.concat([this.#text, chunk]);
      this.#parser?.write(chunk, done);
    });
  }

  /** Passes over a record's text, up to an offset in what the parser was given. */
  #passTo(offset: number): { line: number; raw: Buffer } {
    const text = this.#text.subarray(0, Math.min(offset - this.#textStart, this.#text.length));
    this.#text = this.#text.subarray(text.length);
    this.#textStart += text.length;
    this.#lines += this.#lineEnds(text);
    let begin = 0;
    let end = text.length;
    const last = text[end - 1];
    if (last === NEWLINE) end -= text[end - 2] === RETURN ? 2 : 1;
    else if (last === RETURN && this.#loneReturns) end--;
    else this.#lines++;
    while (begin < end && (text[begin] === NEWLINE || text[begin] === RETURN)) begin++;
    return { line: this.#lines, raw: text.subarray(begin, end) };
  }

  #lineEnds(text: Buffer): number {
    let count = 0;
    for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) count++;
    if (!this.#loneReturns) return count;
    for (let at = text.indexOf(RETURN); at >= 0; at = text.indexOf(RETURN, at + 1))
      if (text[at + 1] !== NEWLINE) count++;
    return count;
  }

  /** A quote that is never closed, or a record that is too long: nobody knows where the next record starts. */
  #onUnreadable(error: CsvError | undefined): undefined {
    // A quote that is open where the input failed may have been closed in what is missing.
    if (this.#unreadable || this.#failure) return;
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

/** Where the first line end stands outside of quotes; -1 when there is none. */
function headerEnd(text: Buffer, quotes: boolean): number {
  let quoted = false;
  for (const [at, byte] of text.entries()) {
    // Only at a value's beginning a quote opens; behind a quote it is the second one of two, which stand for one.
    const opens = quotes && (at === 0 || text[at - 1] === COMMA || text[at - 1] === QUOTE);
    if (byte === QUOTE && (quoted || opens)) quoted = !quoted;
    else if (!quoted && (byte === NEWLINE || byte === RETURN)) return at;
  }
  return -1;
}

const NOTHING = Buffer.alloc(0);
