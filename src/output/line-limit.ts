import { startTimer, type Timer } from "../lib/timer.ts";

/** So many lines of one kind are written in a window; more of them are counted. */
const LINES = 10;
const WINDOW_MS = 10_000;

/** What was not written of one kind in one window. */
export interface Unwritten {
  readonly count: number;
  /** The last of them. */
  readonly last: string;
  readonly windowMs: number;
}

interface Kind {
  readonly sumUp: (rest: Unwritten) => void;
  written: number;
  count: number;
  last: string;
}

/** Keeps lines that come by the thousand from filling a log: a few of each kind are written, the rest is summed up. */
export class LineLimit {
  readonly #kinds = new Map<string, Kind>();
  #timer: Timer | undefined;

  /** Whether this line is to be written. `sumUp` hears at the end of the window of those that were not. */
  allows(name: string, line: string, sumUp: Kind["sumUp"]): boolean {
    this.#timer ??= startTimer(WINDOW_MS, () => this.flush());
    let kind = this.#kinds.get(name);
    if (!kind) this.#kinds.set(name, (kind = { sumUp, written: 0, count: 0, last: "" }));
    if (kind.written < LINES) {
      kind.written++;
      return true;
    }
    kind.count++;
    kind.last = line;
    return false;
  }

  /** Ends the window now, and with it the timer. */
  flush(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { count, last, sumUp } of kinds) if (count > 0) sumUp({ count, last, windowMs: WINDOW_MS });
  }
}
