import { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";

/** A batch is sent when it holds this much; where many are filled at a time, sooner. */
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
  readonly #capacity: number;
  #bytes: Buffer;
  /** The offset after each command. */
  readonly #ends: number[] = [];
  readonly #lines: number[] = [];
  readonly #raws: (Buffer | undefined)[] = [];
  length = 0;

  /** When it was sent, by performance.now(). */
  sentAt = 0;

  /** `expected`: how long it may get before it is sent; one entry more always fits. */
  constructor(expected: number) {
    this.#capacity = expected * 2;
    this.#bytes = Buffer.allocUnsafeSlow(this.#capacity);
  }

  get count(): number {
    return this.#ends.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  add(encoder: EntryEncoder, draft: EntryDraft, line: number, raw: Buffer | undefined): void {
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
    if (this.#bytes.length > this.#capacity * 2) this.#bytes = Buffer.allocUnsafeSlow(this.#capacity);
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
