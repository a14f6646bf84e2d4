import { LineCutter } from "../../lib/lines.ts";
import { MAX_PRINTED } from "./handler.ts";
import type { OutputSource } from "./pipes.ts";

/** How long what a handler left behind may go on saying something that still belongs to its entry. */
export const GRACE_MS = 250;

/** Passes one pipe of a handler on, by whole lines, at the pace at which they are taken. */
export class OutputPump {
  readonly #source: OutputSource;
  readonly #write: (lines: Buffer) => Promise<void>;
  readonly #cutter: LineCutter;
  /** All has been passed on, or the stream was given up. Never rejects. */
  readonly done: Promise<void>;

  /**
   * `onTooLong` is called for a line too long to hold, which is left out; without it such lines come in
   * pieces.
   */
  constructor(source: OutputSource, write: (lines: Buffer) => Promise<void>, onTooLong?: () => void) {
    this.#source = source;
    this.#write = write;
    this.#cutter = new LineCutter({ maxLine: MAX_PRINTED, onTooLong });
    this.done = this.#run().catch(() => {});
  }

  /** As OutputSource.finish does; resolves when what has been written has been passed on. */
  async finish(graceMs: number): Promise<boolean> {
    const free = await this.#source.finish(graceMs);
    await this.done;
    return free;
  }

  async #run(): Promise<void> {
    try {
      for await (const chunk of this.#source.stream as AsyncIterable<Buffer>) {
        const lines = this.#cutter.push(chunk);
        if (lines) await this.#write(lines);
      }
    } catch {
      // It was given up: what has come of its last line is passed on all the same.
    }
    const rest = this.#cutter.end();
    if (rest) await this.#write(rest);
  }
}
