import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { textChunks, type TextOptions } from "./text-input.ts";

export interface InputForm extends TextOptions {
  /** How much of the input has been read, where the stream itself tells it. */
  readonly consumed?: (() => number) | undefined;
}

/**
 * The chunks of a stream as text (see textChunks), one at a time, until it ends or the signal aborts. Aborting destroys the stream:
 * that is what makes a pending read return, and what lets the process end with stdin still open.
 */
export class Input {
  readonly #stream: Readable;
  readonly #chunks: AsyncGenerator<Buffer>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  readonly #consumed: (() => number) | undefined;
  #given = 0;

  constructor(stream: Readable, signal: AbortSignal, { consumed, ...form }: InputForm = {}) {
    this.#stream = stream;
    this.#consumed = consumed;
    this.#chunks = textChunks(stream, form);
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
      this.#given += value.length;
      return value;
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stream.destroy();
    // It may wait for the stream, which ends by that, or hold what it has unpacked.
    this.#chunks.return(undefined).catch(() => {});
  }
}
