import { tagLines, Tail } from "../../lib/lines.ts";
import { startTimeLimit, startTimer, type Timer } from "../../lib/timer.ts";
import { type HandlerOutput, type HandlerSettings, MAX_PRINTED } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import type { Payload } from "./payload.ts";
import type { Processes } from "./processes.ts";

/** One run of a command. */
export interface RunRequest extends Sinks {
  readonly input: Payload;
  /** Its own part of the environment: STREAMCTL_…, FIELD_…. */
  readonly variables: Readonly<Record<string, string>>;
}

/** From the end of its processes to the end of the run: one that is stuck in the kernel is not waited for. */
const ABANDON_MS = 2_000;

export type EndReason = "timeout" | "stopped";

/** How a run is ended before its time: TERM, then KILL, to its process group. The first reason wins. */
export class RunEnd {
  readonly #processes: Pick<Processes, "end">;
  readonly #timeoutMs: number | undefined;
  readonly #limit: Pick<Timer, "stop"> | undefined;
  #pgid: number | undefined;
  #reason: EndReason | undefined;
  #ending: Promise<void> | undefined;
  #abandon: () => void = () => {};
  #abandonTimer: Timer | undefined;
  /** Resolves when it was ended, and yet goes on. */
  readonly abandoned = new Promise<void>((resolve) => (this.#abandon = resolve));

  /** Its time begins now, if there is a limit. */
  constructor(
    processes: Pick<Processes, "end">,
    limits?: Pick<HandlerSettings, "timeoutMs" | "killAfterMs">,
  ) {
    this.#processes = processes;
    const { timeoutMs, killAfterMs = 0 } = limits ?? {};
    this.#timeoutMs = timeoutMs;
    if (timeoutMs !== undefined)
      this.#limit = startTimeLimit(timeoutMs, () => void this.end("timeout", killAfterMs));
  }

  get reason(): EndReason | undefined {
    return this.#reason;
  }

  /** The process group that has it now. */
  on(pgid: number): void {
    this.#pgid = pgid;
  }

  /** A second call only waits. */
  end(reason: EndReason, killAfterMs: number): Promise<void> {
    this.#reason ??= reason;
    this.#ending ??= this.#end(killAfterMs);
    return this.#ending;
  }

  /** The command has ended: its time is not measured any more. */
  exited(): void {
    this.#limit?.stop();
  }

  /** The run is over, or is as soon as what ends it has done so. */
  async over(): Promise<void> {
    this.exited();
    await this.#ending;
    this.#abandonTimer?.stop();
  }

  /** What its being ended comes to, once it is over; undefined: it ended by itself. */
  outcome({ tail }: Pick<RunOutput, "tail">): Outcome | undefined {
    if (this.#reason === undefined) return undefined;
    // No process has had it.
    if (this.#pgid === undefined) return { kind: "unrun" };
    if (this.#reason === "stopped") return { kind: "stopped" };
    return { kind: "timeout", afterMs: this.#timeoutMs ?? 0, stderr: tail };
  }

  async #end(killAfterMs: number): Promise<void> {
    if (this.#pgid !== undefined) await this.#processes.end(this.#pgid, killAfterMs);
    this.#abandonTimer = startTimer(ABANDON_MS, () => this.#abandon());
  }
}

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
    if (this.#tooLong) return printedTooMuch("a line of more", outcome.stderr);
    if (!this.#options.capture) return outcome;
    if (this.#capturedLength > MAX_PRINTED) return printedTooMuch("more", outcome.stderr);
    return { ...outcome, stdout: Buffer.concat(this.#captured) };
  }

  #tagged(lines: Buffer, within = false): Buffer {
    const { tag } = this.#options;
    return tag === undefined ? lines : tagLines(lines, tag, within);
  }
}

const LINE_FEED = 0x0a;

/** A handler that has run wild: no retry will help. `what`: of it, `more`. */
export function printedTooMuch(what: string, stderr: Buffer): Outcome {
  return {
    kind: "answer",
    answer: "dead",
    reason: `printed ${what} than ${MAX_PRINTED / 1024 / 1024} MiB`,
    stderr,
  };
}

/** What a run writes to fd 3. */
export interface Results {
  /** What comes after the command's exit, from something that it left running, does not count. */
  readonly untilExit: boolean;
  lines(lines: Buffer): void;
  /** A line was too long to hold, and was left out. */
  tooLong(): void;
}

/** Where goes what a run writes. */
export interface Sinks {
  readonly output: RunOutput;
  readonly results: Results;
}

export interface Sink {
  readonly write: (lines: Buffer) => Promise<void>;
  readonly onTooLong?: () => void;
  readonly untilExit?: boolean;
}

/** The sinks of stdout, stderr and fd 3. */
export function sinksOf({ output, results }: Sinks): Sink[] {
  return [
    { write: (lines) => output.stdout(lines), onTooLong: () => output.tooLong() },
    { write: (lines) => output.stderr(lines) },
    {
      write: async (lines) => results.lines(lines),
      onTooLong: () => results.tooLong(),
      untilExit: results.untilExit,
    },
  ];
}
