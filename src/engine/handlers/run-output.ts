import { tagLines, Tail } from "../../lib/lines.ts";
import { type HandlerOutput, MAX_PRINTED } from "./handler.ts";
import type { Outcome } from "./outcome.ts";

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
  #tooLong = false;
  /** The last of stderr that was passed on was a piece of a line. */
  #withinLine = false;

  constructor(to: HandlerOutput, options: RunOutputOptions) {
    this.#to = to;
    this.#options = options;
  }

  /** Resolves when the lines have been taken, also when they are lost. */
  async stdout(lines: Buffer): Promise<void> {
    if (this.#options.capture) {
      this.#capturedLength += lines.length;
      if (this.#capturedLength <= MAX_PRINTED) this.#captured.push(lines);
      return;
    }
    if (this.#lost) return;
    try {
      await this.#to.stdout(this.#tagged(lines));
    } catch {
      this.#lost = true;
    }
  }

  /** It printed a line that is too long, which was left out. */
  tooLong(): void {
    this.#tooLong = true;
  }

  /** Lines, and pieces of a line that is too long to hold. */
  stderr(lines: Buffer): Promise<void> {
    this.#tail.push(lines);
    const tagged = this.#tagged(lines, this.#withinLine);
    this.#withinLine = lines.at(-1) !== LINE_FEED;
    return this.#to.stderr(tagged);
  }

  /** The last of what it wrote to stderr. */
  get tail(): Buffer {
    return this.#tail.bytes;
  }

  /** What an end comes to: no success when what was printed is lost, or more than can be held. */
  outcome(outcome: Outcome): Outcome {
    const exited = outcome.kind === "exit" && outcome.code === 0;
    if (!exited && !(outcome.kind === "answer" && outcome.answer === "ok")) return outcome;
    if (this.#lost) return { kind: "unprinted" };
    if (this.#tooLong) return wild("a line of more", outcome.stderr);
    if (!exited || !this.#options.capture) return outcome;
    if (this.#capturedLength > MAX_PRINTED) return wild("more", outcome.stderr);
    return { ...outcome, stdout: Buffer.concat(this.#captured) };
  }

  #tagged(lines: Buffer, within = false): Buffer {
    const { tag } = this.#options;
    return tag === undefined ? lines : tagLines(lines, tag, within);
  }
}

const LINE_FEED = 0x0a;

function wild(what: string, stderr: Buffer): Outcome {
  return {
    kind: "answer",
    answer: "dead",
    reason: `printed ${what} than ${MAX_PRINTED / 1024 / 1024} MiB`,
    stderr,
  };
}

/** What a handler of several entries writes to fd 3. */
export interface Results {
  lines(lines: Buffer): void;
  /** A line was too long to hold, and was left out. */
  tooLong(): void;
}

/** Where goes what a run writes. */
export interface Sinks {
  readonly output: RunOutput;
  readonly results?: Results | undefined;
}

export interface Sink {
  readonly write: (lines: Buffer) => Promise<void>;
  readonly onTooLong?: () => void;
}

/** The sinks of stdout, stderr and, where it counts, fd 3. */
export function sinksOf({ output, results }: Sinks): Sink[] {
  const printed: Sink[] = [
    { write: (lines) => output.stdout(lines), onTooLong: () => output.tooLong() },
    { write: (lines) => output.stderr(lines) },
  ];
  if (!results) return printed;
  const said = { write: async (lines: Buffer) => results.lines(lines), onTooLong: () => results.tooLong() };
  return [...printed, said];
}
