import { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { XaddEncoder } from "./xadd-encoder.ts";

/** A batch is sent when it holds this much. */
export const BATCH_BYTES = 64 * 1024;

/** An entry that has to be looked at one by one: its command as sent, and where it came from. */
export interface EncodedEntry {
  readonly command: Buffer;
  readonly line: number;
  /** The line as it was written; undefined unless rejected lines are kept. */
  readonly raw: Buffer | undefined;
}

/** Commands of several entries as one piece of RESP, and the lines they came from. */
export class Batch {
  #bytes: Buffer;
  /** The offset after each command. */
  readonly #ends: number[] = [];
  readonly #lines: number[] = [];
  readonly #raws: (Buffer | undefined)[] = [];
  length = 0;

  constructor() {
    this.#bytes = Buffer.allocUnsafeSlow(BATCH_BYTES * 2);
  }

  get count(): number {
    return this.#ends.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  add(encoder: XaddEncoder, draft: EntryDraft, line: number, raw: Buffer | undefined): void {
    this.#reserve(encoder.size(draft));
    this.length = encoder.write(draft, this.#bytes, this.length);
    this.#end(line, raw);
  }

  /** Adds an entry of an earlier batch once more. */
  addEncoded(entry: EncodedEntry): void {
    this.#reserve(entry.command.length);
    this.length += entry.command.copy(this.#bytes, this.length);
    this.#end(entry.line, entry.raw);
  }

  line(index: number): number {
    return this.#lines[index] as number;
  }

  /** Entry `index`, with bytes of its own. */
  entry(index: number): EncodedEntry {
    const start = index === 0 ? 0 : (this.#ends[index - 1] as number);
    const command = Buffer.from(this.#bytes.subarray(start, this.#ends[index]));
    return { command, line: this.line(index), raw: this.#raws[index] };
  }

  /** Empties the batch for another use; a buffer that one huge entry made grow is let go. */
  clear(): void {
    if (this.#bytes.length > BATCH_BYTES * 4) this.#bytes = Buffer.allocUnsafeSlow(BATCH_BYTES * 2);
    this.length = 0;
    this.#ends.length = 0;
    this.#lines.length = 0;
    this.#raws.length = 0;
  }

  #end(line: number, raw: Buffer | undefined): void {
    this.#ends.push(this.length);
    this.#lines.push(line);
    if (raw !== undefined) this.#raws[this.#ends.length - 1] = raw;
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#bytes = larger;
  }
}
