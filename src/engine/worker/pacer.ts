import { Pace } from "../produce/pace.ts";

/** A share of the rate that may start together. */
const TICK_S = 0.05;

/** Holds starts to a rate; without one it holds nothing. */
export class Pacer {
  readonly #pace: Pace | undefined;
  readonly #group: number;

  constructor(perSecond: number | undefined) {
    this.#pace = perSecond === undefined ? undefined : new Pace(perSecond);
    this.#group = Math.max(1, Math.floor((perSecond ?? 0) * TICK_S));
  }

  /** How many of `places` may be taken now. */
  allow(places: number): number {
    if (!this.#pace) return places;
    return this.#pace.waitMs() > 0 ? 0 : Math.min(places, this.#group);
  }

  waitMs(): number | undefined {
    const wait = this.#pace?.waitMs() ?? 0;
    return wait > 0 ? wait : undefined;
  }

  /** One entry was taken. */
  count(): void {
    this.#pace?.take();
  }
}
