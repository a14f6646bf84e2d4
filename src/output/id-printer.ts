import { entryPrefix, JsonBytes } from "../entry/json-encode.ts";
import { type Output, PipeClosed } from "./output.ts";

/** Entry IDs on stdout, one a line: plain, or as `{"stream":"…","id":"…"}` when a stream is named. */
export class IdPrinter {
  readonly #output: Output;
  readonly #prefix: Buffer | undefined;
  readonly #text = new JsonBytes();
  #closed = false;

  constructor(output: Output, stream: string | undefined) {
    this.#output = output;
    this.#prefix = stream === undefined ? undefined : entryPrefix(stream);
  }

  add(id: Buffer): void {
    if (this.#closed) return;
    if (this.#prefix === undefined) this.#text.bytes(id).byte(NEWLINE);
    else this.#text.bytes(this.#prefix).bytes(id).raw('"}\n');
  }

  /** Resolves when stdout has taken what was added. A reader that has gone ends the printing, quietly. */
  async flush(): Promise<void> {
    if (this.#closed || this.#text.length === 0) return;
    try {
      await this.#output.write(this.#text.take());
    } catch (error) {
      if (!(error instanceof PipeClosed)) throw error;
      this.#closed = true;
    }
  }
}

const NEWLINE = 10;
