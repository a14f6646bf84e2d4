/** When reading ends by itself; what is undefined or false never ends it. Times are in ms. */
export interface EndRules {
  /** After that many entries. */
  readonly count?: number | undefined;
  /** When nothing is left to read. */
  readonly untilEmpty?: boolean | undefined;
  /** When nothing came for that long. */
  readonly idleMs?: number | undefined;
  /** That long after the start. */
  readonly runtimeMs?: number | undefined;
}

/** Keeps account of the ends of one run of reading. */
export class Ends {
  readonly untilEmpty: boolean;
  readonly #idleMs: number;
  readonly #deadline: number;
  readonly #signal: AbortSignal;
  #remaining: number;
  #lastActive = Date.now();

  constructor(rules: EndRules, signal: AbortSignal) {
    this.untilEmpty = rules.untilEmpty === true;
    this.#idleMs = rules.idleMs ?? Infinity;
    this.#deadline = Date.now() + (rules.runtimeMs ?? Infinity);
    this.#remaining = rules.count ?? Infinity;
    this.#signal = signal;
  }

  /** How many entries may still be read. */
  get remaining(): number {
    return this.#remaining;
  }

  took(entries: number): void {
    this.#remaining -= entries;
    this.active();
  }

  /** Something was just done: idling starts anew. */
  active(): void {
    this.#lastActive = Date.now();
  }

  /** True when nothing more is to be read. */
  get reached(): boolean {
    return this.#signal.aborted || this.#remaining <= 0 || this.#left() <= 0;
  }

  /** How long a read may wait, at most `most` and at least 1 ms. */
  waitMs(most: number): number {
    return Math.max(1, Math.ceil(Math.min(most, this.#left())));
  }

  #left(): number {
    const now = Date.now();
    return Math.min(this.#deadline - now, this.#lastActive + this.#idleMs - now);
  }
}
