import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/**
 * The chunks of a stream, one at a time, until it ends or the signal aborts. Aborting destroys the stream:
 * that is what makes a pending read return, and what lets the process end with stdin still open.
 */
export class Input {
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<unknown>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  readonly #consumed: (() => number) | undefined;
  #given = 0;

  /** `consumed`: how much of the input has been read, where the stream gives something else than its bytes. */
  constructor(stream: Readable, signal: AbortSignal, consumed?: () => number) {
    this.#stream = stream;
    this.#consumed = consumed;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#onAbort = () => void stream.destroy();
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Bytes of the input that have been read so far. */
  get bytesRead(): number {
    return this.#consumed?.() ?? this.#given;
  }

  /** The next chunk; undefined at the end of the input or after the signal. */
  async read(): Promise<Buffer | undefined> {
    if (this.#signal.aborted) return undefined;
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      const chunk = Buffer.isBuffer(value) ? value : Buffer.from(value as string);
      this.#given += chunk.length;
      return chunk;
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stream.destroy();
  }
}
