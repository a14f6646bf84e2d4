import { Buffer } from "node:buffer";
import type { EntryDraft } from "../entry-draft.ts";
import { JsonDecoder } from "../json-decode.ts";
import { JsonFault } from "../json-scan.ts";
import { Gathered } from "../../lib/gathered.ts";
import type { Input } from "../../lib/input.ts";
import { BadLine, type EntrySource } from "./source.ts";

/** How one line becomes an entry. Throws JsonFault when it does not. */
export interface LineFormat {
  /** Fills the draft from the bytes between two offsets. */
  decode(line: Buffer, begin: number, end: number, draft: EntryDraft): void;
  /** JSON may be surrounded by white space; plain lines are kept as they are. */
  readonly text: "json" | "plain";
}

/** One JSON object a line, one field per key. */
export function ndjsonFormat(): LineFormat {
  const decoder = new JsonDecoder();
  return { text: "json", decode: (line, begin, end, draft) => decoder.object(line, begin, end, draft) };
}

/** The form in which entries are printed. */
export function entriesFormat(): LineFormat {
  const decoder = new JsonDecoder();
  return { text: "json", decode: (line, begin, end, draft) => decoder.entry(line, begin, end, draft) };
}

/** Each line is the value of one field, byte for byte; a carriage return before the newline is part of it. */
export function plainFormat(field: string): LineFormat {
  const name = Buffer.from(field);
  return {
    text: "plain",
    decode(line, begin, end, draft) {
      draft.open(line);
      draft.addBytes(name);
      draft.addFromLine(begin, end);
    },
  };
}

export interface LineSourceOptions {
  /** Lines up to this one are passed over. */
  readonly skipLines: number;
  /** The longest line that is held in memory, in bytes. */
  readonly maxLine: number;
}

const NEWLINE = 10;
/** The chunk in which a line ends may begin the next ones. */
const CHUNK_ROOM = 1024 * 1024;

/** Lines of bytes, each decoded into one entry. Empty lines are passed over, but counted. */
export class LineSource implements EntrySource {
  readonly #input: Input;
  readonly #format: LineFormat;
  readonly #options: LineSourceOptions;
  #buffer: Buffer = Buffer.alloc(0);
  /** The start of the next line in the buffer. */
  #at = 0;
  #begin = 0;
  #stop = 0;
  #ended = false;
  /** The rest of a line that was too long is being passed over. */
  #discarding = false;
  line = 0;

  constructor(input: Input, format: LineFormat, options: LineSourceOptions) {
    this.#input = input;
    this.#format = format;
    this.#options = options;
  }

  get bytesRead(): number {
    return this.#input.bytesRead;
  }

  next(draft: EntryDraft): boolean {
    while (this.#nextLine()) {
      const { skipLines, maxLine } = this.#options;
      if (this.line <= skipLines) continue;
      if (this.#stop - this.#begin > maxLine)
        throw new BadLine(this.line, `longer than ${maxLine} bytes: --max-line allows longer ones`, {
          whole: false,
        });
      if (this.#isBlank()) continue;
      this.#decode(draft);
      return true;
    }
    return false;
  }

  async more(): Promise<boolean> {
    if (this.#ended) return false;
    const { maxLine } = this.#options;
    const gathered = new Gathered(maxLine + CHUNK_ROOM);
    if (this.#at < this.#buffer.length) gathered.add(this.#buffer.subarray(this.#at));
    for (;;) {
      const chunk = await this.#input.read();
      if (chunk === undefined) {
        this.#ended = true;
        break;
      }
      gathered.add(chunk);
      // A long line is joined once, when its end is there, and not at every chunk.
      if (gathered.length > maxLine || chunk.includes(NEWLINE)) break;
    }
    this.#buffer = gathered.bytes();
    this.#at = 0;
    return gathered.length > 0;
  }

  raw(): Uint8Array {
    return this.#buffer.subarray(this.#begin, this.#stop);
  }

  close(): void {
    this.#input.close();
  }

  /** Moves on by one line; false when no whole one is there. One that grows too long counts as whole. */
  #nextLine(): boolean {
    const buffer = this.#buffer;
    for (;;) {
      const begin = this.#at;
      const rest = buffer.length - begin;
      const newline = buffer.indexOf(NEWLINE, begin);
      const waiting = !this.#ended && !this.#discarding && rest <= this.#options.maxLine;
      if (newline < 0 && (rest === 0 || waiting)) return false;
      const discarded = this.#discarding;
      this.#discarding = newline < 0 && !this.#ended;
      this.#begin = begin;
      this.#stop = newline < 0 ? buffer.length : newline;
      this.#at = newline < 0 ? buffer.length : newline + 1;
      if (discarded) continue;
      this.line++;
      return true;
    }
  }

  #isBlank(): boolean {
    if (this.#format.text === "plain") return this.#begin === this.#stop;
    for (let at = this.#begin; at < this.#stop; at++) {
      const byte = this.#buffer[at] as number;
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
    }
    return true;
  }

  #decode(draft: EntryDraft): void {
    try {
      this.#format.decode(this.#buffer, this.#begin, this.#stop, draft);
    } catch (error) {
      if (!(error instanceof JsonFault)) throw error;
      const before = this.#buffer.toString("utf8", this.#begin, error.at);
      throw new BadLine(this.line, error.message, {
        column: countCharacters(before) + 1,
        cutOff: error.cutOff && this.#ended && this.#stop === this.#buffer.length,
      });
    }
  }
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
