import { type HandlerOutput, MAX_CAPTURED } from "./handler.ts";
import { tagLines, Tail } from "./lines.ts";
import type { Outcome } from "./types.ts";

/** How much of a handler's stderr a dead letter keeps. */
export const STDERR_TAIL = 4 * 1024;

export interface RunOutputOptions {
  /** Put before every line. */
  readonly tag?: string | undefined;
  /** Keep stdout for the outcome instead of passing it on. */
  readonly capture: boolean;
}

/** What one run of a handler prints: passed on or kept, and whether all of it went where it should. */
export class RunOutput {
  readonly #to: HandlerOutput;
  readonly #options: RunOutputOptions;
  readonly #captured: Buffer[] = [];
  readonly #tail = new Tail(STDERR_TAIL);
  #capturedLength = 0;
  #lost = false;

  constructor(to: HandlerOutput, options: RunOutputOptions) {
    this.#to = to;
    this.#options = options;
  }

  /** Resolves when the lines have been taken, also when they are lost. */
  async stdout(lines: Buffer): Promise<void> {
    if (this.#options.capture) {
      this.#capturedLength += lines.length;
      if (this.#capturedLength <= MAX_CAPTURED) this.#captured.push(lines);
      return;
    }
    if (this.#lost) return;
    try {
      await this.#to.stdout(this.#tagged(lines));
    } catch {
      this.#lost = true;
    }
  }

  stderr(lines: Buffer): Promise<void> {
    this.#tail.push(lines);
    return this.#to.stderr(this.#tagged(lines));
  }

  /** The last of what it wrote to stderr. */
  get tail(): Buffer {
    return this.#tail.bytes;
  }

  /** Some of what it printed could not be passed on. */
  get lost(): boolean {
    return this.#lost;
  }

  /** What the run comes to: no success when its output is lost, or is more than can be kept. */
  outcome(outcome: Outcome): Outcome {
    if (outcome.kind !== "exit" || outcome.code !== 0) return outcome;
    if (this.#lost) return UNPRINTED;
    if (!this.#options.capture) return outcome;
    if (this.#capturedLength <= MAX_CAPTURED) return { ...outcome, stdout: Buffer.concat(this.#captured) };
    const reason = `printed more than ${MAX_CAPTURED / 1024 / 1024} MiB`;
    return { kind: "answer", answer: "dead", reason, stderr: outcome.stderr };
  }

  #tagged(lines: Buffer): Buffer {
    const { tag } = this.#options;
    return tag === undefined ? lines : tagLines(lines, tag);
  }
}

export const UNPRINTED: Outcome = { kind: "unprinted" };
