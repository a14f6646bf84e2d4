import { Pace } from "../../lib/rate.ts";

/** A share of the rate that may start together. */
const TICK_S = 0.05;

/** Holds starts to a rate; without one it holds nothing. */
export class Pacer {
  readonly #pace: Pace | undefined;
  readonly #group: number;
  #holds = false;

  constructor(perSecond: number | undefined, clock?: () => number) {
    this.#pace = perSecond === undefined ? undefined : new Pace(perSecond, clock);
    this.#group = Math.max(1, Math.floor((perSecond ?? 0) * TICK_S));
  }

  /** How many of `places` may be taken now. */
  allow(places: number): number {
    if (!this.#pace) return places;
    this.#holds = this.#pace.waitMs() > 0;
    return this.#holds ? 0 : Math.min(places, this.#group);
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
