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
    const now = this.#clock();
    this.#due = Math.max(this.#due, now - TICK_MS) + this.#msPerEntry;
    return this.#due - now < TICK_MS;
  }

  /** How long to wait before the next entry. */
  waitMs(): number {
    return Math.max(0, this.#due - this.#clock());
  }
}

/** Holds starts to a rate; without one it holds nothing. */
export class Pacer {
  readonly #pace: Pace | undefined;
  /** How many may start together. */
  readonly most: number;
  #holds = false;

  constructor(perSecond: number | undefined, clock?: () => number) {
    this.#pace = perSecond === undefined ? undefined : new Pace(perSecond, clock);
    this.most =
      perSecond === undefined
        ? Number.POSITIVE_INFINITY
        : Math.max(1, Math.floor((perSecond * TICK_MS) / 1_000));
  }

  /** How many of `places` may be taken now. */
  allow(places: number): number {
    if (!this.#pace) return places;
    this.#holds = this.#pace.waitMs() > 0;
    return this.#holds ? 0 : Math.min(places, this.most);
  }

  /** How long until what was held back may start; undefined when the last look held nothing back. */
  waitMs(): number | undefined {
    // The time may have come since that look: whoever was told to wait must still be woken.
    return this.#holds && this.#pace ? Math.max(1, this.#pace.waitMs()) : undefined;
  }

  /** One entry was taken. */
  count(): void {
    this.#pace?.take();
  }
}
