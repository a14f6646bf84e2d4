import { entryPrefix, JsonBytes } from "../entry/json-encode.ts";
import { type Output, PipeClosed } from "./output.ts";

export interface IdForm {
  /** `{"stream":"…","id":"…"}`. */
  readonly json: boolean;
  /** As text the ID alone says it all, unless it may be of one of several streams: then a tab and the stream follow. */
  readonly named: boolean;
}

/** Entry IDs on stdout, one a line. */
export class IdPrinter {
  readonly #output: Output;
  readonly #form: IdForm;
  readonly #text = new JsonBytes();
  /** What goes before and after an ID, by stream. */
  readonly #around = new Map<string, { readonly before: Buffer; readonly after: Buffer }>();
  #closed = false;

  constructor(output: Output, form: IdForm) {
    this.#output = output;
    this.#form = form;
  }

  add(id: Buffer, stream: string): void {
    if (this.#closed) return;
    let around = this.#around.get(stream);
    if (around === undefined) this.#around.set(stream, (around = this.#makeAround(stream)));
    this.#text.bytes(around.before).bytes(id).bytes(around.after);
  }

  #makeAround(stream: string): { before: Buffer; after: Buffer } {
    if (this.#form.json) return { before: entryPrefix(stream), after: Buffer.from('"}\n') };
    return { before: Buffer.alloc(0), after: Buffer.from(this.#form.named ? `\t${stream}\n` : "\n") };
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
