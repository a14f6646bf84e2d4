import { MAX_PRINTED } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import { printedTooMuch } from "./run.ts";

const EMIT = Buffer.from("emit");
const BLANKS: ReadonlySet<number | undefined> = new Set([0x20, 0x09, undefined]);
const LINE_END = Buffer.from("\n");

/** Whether a line of a persistent handler is `emit TEXT`. */
export function isEmission(line: Buffer): boolean {
  return line.subarray(0, EMIT.length).equals(EMIT) && BLANKS.has(line[EMIT.length]);
}

/**
 * What a persistent handler has put out for the entry that it works on: lines `emit TEXT` before its answer. They are that
 * entry's output as soon as the answer is ok; with any other answer, or none, they are forgotten.
 */
export class Emitted {
  #lines: Buffer[] = [];
  #bytes = 0;

  add(line: Buffer): void {
    const text = line.subarray(EMIT.length + 1);
    this.#bytes += text.length + LINE_END.length;
    // What no success can come of any more is not held.
    if (this.#bytes > MAX_PRINTED) this.#lines = [];
    else this.#lines.push(text, LINE_END);
  }

  forget(): void {
    this.#lines = [];
    this.#bytes = 0;
  }

  /** What the answer ok comes to; what is put out next is the next entry's. */
  succeed(stderr: Buffer): Outcome {
    const stdout = Buffer.concat(this.#lines);
    const tooMuch = this.#bytes > MAX_PRINTED;
    this.forget();
    return tooMuch ? printedTooMuch("more", stderr) : { kind: "answer", answer: "ok", stderr, stdout };
  }
}
