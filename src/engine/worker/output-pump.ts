import type { Readable } from "node:stream";
import { startInterval, type Timer } from "../../lib/timer.ts";
import { MAX_PRINTED } from "./handler.ts";
import { LineCutter } from "./lines.ts";

/** How long a pipe may be silent after its handler has exited before it is given up. */
const SILENCE_MS = 250;

/** Passes one pipe of a handler on, by whole lines, at the pace at which they are taken. */
export class OutputPump {
  readonly #source: Readable;
  readonly #write: (lines: Buffer) => Promise<void>;
  readonly #cutter: LineCutter;
  #writing = false;
  #chunks = 0;
  readonly done: Promise<void>;

  /** Lines too long to hold are left out and told to `onTooLong`; without it they come in pieces. */
  constructor(source: Readable, write: (lines: Buffer) => Promise<void>, onTooLong?: () => void) {
    this.#source = source;
    this.#write = write;
    this.#cutter = new LineCutter({ maxLine: MAX_PRINTED, onTooLong });
    this.done = this.#run();
  }

  /**
   * After the handler's exit: waits for the rest of its output, but not for a daemon that it left behind
   * with its pipes. A slow reader of ours is no silence.
   */
  async finish(): Promise<void> {
    let timer: Timer | undefined;
    let seen = this.#chunks;
    const abandoned = new Promise<void>((resolve) => {
      timer = startInterval(SILENCE_MS, () => {
        if (!this.#writing && this.#chunks === seen) {
          this.#source.destroy();
          resolve();
        }
        seen = this.#chunks;
      });
    });
    await Promise.race([this.done, abandoned]);
    timer?.stop();
  }

  async #run(): Promise<void> {
    const cutter = this.#cutter;
    try {
      for await (const chunk of this.#source as AsyncIterable<Buffer>) {
        this.#chunks++;
        await this.#pass(cutter.push(chunk));
      }
      await this.#pass(cutter.end());
    } catch {
      // The pipe was given up.
    }
  }

  async #pass(lines: Buffer | undefined): Promise<void> {
    if (!lines) return;
    this.#writing = true;
    try {
      await this.#write(lines);
    } finally {
      this.#writing = false;
    }
  }
}
