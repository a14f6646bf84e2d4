import { Buffer } from "node:buffer";

/** From so many bytes on chunks are copied as they come. */
const LARGE = 4 * 1024 * 1024;

/**
 * Chunks that become one buffer. A few are joined in the end. Many go at once into a buffer as large as they
 * may get, of which the system gives only what is written to, so that a large line is in memory once.
 */
export class Gathered {
  readonly #most: number;
  #parts: Buffer[] = [];
  #whole: Buffer | undefined;
  length = 0;

  /** `most`: how many bytes may come; what goes beyond is taken, too, but costs more. */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Buffer): void {
    if (this.#whole && this.length + chunk.length <= this.#whole.length) chunk.copy(this.#whole, this.length);
    else {
      if (this.#whole) this.#parts = [this.#whole.subarray(0, this.length)];
      this.#whole = undefined;
      this.#parts.push(chunk);
    }
    this.length += chunk.length;
    if (!this.#whole && this.length > LARGE && this.length < this.#most) this.#copyFromHere();
  }

  bytes(): Buffer {
    if (this.#whole) return this.#whole.subarray(0, this.length);
    return this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
  }

  #copyFromHere(): void {
    const whole = Buffer.allocUnsafeSlow(this.#most);
    let at = 0;
    for (const part of this.#parts) at += part.copy(whole, at);
    this.#parts = [];
    this.#whole = whole;
  }
}
