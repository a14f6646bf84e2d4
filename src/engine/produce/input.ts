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
  bytesRead = 0;

  constructor(stream: Readable, signal: AbortSignal) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#onAbort = () => void stream.destroy();
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The next chunk; undefined at the end of the input or after the signal. */
  async read(): Promise<Buffer | undefined> {
    if (this.#signal.aborted) return undefined;
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      const chunk = Buffer.isBuffer(value) ? value : Buffer.from(value as string);
      this.bytesRead += chunk.length;
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
