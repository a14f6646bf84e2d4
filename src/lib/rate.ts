/** What is due within this time may go together: so often a paced sender stops to wait, at most. */
const TICK_MS = 50;

/** Spreads entries evenly over time, in small groups at high rates. A pause is not caught up on. */
export class Pace {
  readonly #msPerEntry: number;
  readonly #clock: () => number;
  /** When the next entry is due. */
  #due: number;

  constructor(perSecond: number, clock: () => number = () => performance.now()) {
    this.#msPerEntry = 1_000 / perSecond;
    this.#clock = clock;
    this.#due = clock();
  }

  /** Counts one entry; false when it is time to send what there is and wait. */
  take(): boolean {
    this.next();
    return this.#due - this.#clock() < TICK_MS;
  }

  /** Counts one entry; when it is due, by the clock. */
  next(): number {
    const due = this.#next;
    this.#due = due + this.#msPerEntry;
    return due;
  }

  /** How many entries come due within so many ms. */
  due(ms: number): number {
    const left = this.#clock() + ms - this.#next;
    return left < 0 ? 0 : Math.floor(left / this.#msPerEntry) + 1;
  }

  /** What comes next is due so much later. */
  delay(ms: number): void {
    this.#due += ms;
  }

  /** How long to wait before the next entry. */
  waitMs(): number {
    return Math.max(0, this.#due - this.#clock());
  }

  get #next(): number {
    return Math.max(this.#due, this.#clock() - TICK_MS);
  }
}

/** Holds starts to a rate; without one it holds nothing. */
export class Pacer {
  readonly #pace: Pace | undefined;
  readonly #perMs: number;
  readonly #clock: () => number;
  /** How many may start together. */
  readonly #most: number;
  /** How much earlier than by itself a start may come, to be together with others. */
  readonly #togetherMs: number;
  /** Of the last look, when it held something back. */
  #heldAheadMs: number | undefined;

  constructor(perSecond: number | undefined, clock: () => number = () => performance.now()) {
    this.#pace = perSecond === undefined ? undefined : new Pace(perSecond, clock);
    this.#perMs = (perSecond ?? Number.POSITIVE_INFINITY) / 1_000;
    this.#clock = clock;
    this.#most = Math.max(1, Math.floor(this.#perMs * TICK_MS));
    this.#togetherMs = (this.#most - 1) / this.#perMs;
  }

  /** How many may wait for their starts, where those of so many ms are asked for beforehand. */
  most(aheadMs: number): number {
    return Math.max(1, Math.floor(this.#perMs * (TICK_MS + aheadMs)));
  }

  /** How many of `places` may be taken now, to start within `aheadMs`. */
  allow(places: number, aheadMs: number): number {
    if (!this.#pace) return places;
    const due = this.#pace.due(aheadMs);
    this.#heldAheadMs = due > 0 ? undefined : aheadMs;
    return due > 0 ? Math.min(places, Math.max(due, this.#most)) : 0;
  }

  /** How long until more may be taken; undefined when the last look held nothing back. */
  waitMs(): number | undefined {
    // The time may have come since that look: whoever was told to wait must still be woken.
    return this.#heldAheadMs !== undefined && this.#pace
      ? Math.max(1, this.#pace.waitMs() - this.#heldAheadMs)
      : undefined;
  }

  /** One entry was taken: when it may start, by the clock. */
  count(): number {
    return this.#pace ? this.#pace.next() - this.#togetherMs : Number.NEGATIVE_INFINITY;
  }

  /** One starts that might have at that time: how much later all others are due, because a pause is not caught up on. */
  late(startAt: number): number {
    if (!this.#pace) return 0;
    const lateMs = this.#clock() - TICK_MS - startAt;
    if (lateMs <= 0) return 0;
    this.#pace.delay(lateMs);
    return lateMs;
  }
}
