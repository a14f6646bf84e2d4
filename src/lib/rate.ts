/** How often a paced sender stops to wait, at most: batches are as large as the rate allows in that time. */
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
