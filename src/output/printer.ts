import type { Output } from "./output.ts";

/** Turns items (rows of a list, batches of entries) into text of one format. */
export interface PrintFormat<Item> {
  add(item: Item): void;
  /** Enough has gathered to be written. */
  readonly full: boolean;
  /** The text of what was added since the last call, empty when that is nothing; in pieces where it may be large. */
  take(): string | Iterable<Buffer | string>;
  /** What follows the last item, for the formats that end with something. */
  end?(): string;
}

/** So many bytes of text are gathered for one write. */
export const PIECE_BYTES = 64 * 1024;

/** Prints items on stdout, waits for its reader, and holds no more text than the format gathers. */
export class Printer<Item> {
  readonly #output: Output;
  readonly #format: PrintFormat<Item>;

  constructor(output: Output, format: PrintFormat<Item>) {
    this.#output = output;
    this.#format = format;
  }

  /** True: enough has gathered for a `flush`. */
  add(item: Item): boolean {
    this.#format.add(item);
    return this.#format.full;
  }

  /** Adds them all, and writes as it goes. */
  async addAll(items: readonly Item[]): Promise<void> {
    for (const item of items) if (this.add(item)) await this.flush();
  }

  /** Resolves when stdout has taken what was added. */
  async flush(): Promise<void> {
    const text = this.#format.take();
    if (typeof text === "string") await this.#output.write(text);
    else for (const piece of text) await this.#output.write(piece);
  }

  async end(): Promise<void> {
    await this.flush();
    if (this.#format.end) await this.#output.write(this.#format.end());
  }
}
