import type { Capacity } from "./in-flight.ts";
import type { Delivery } from "./types.ts";

/** An entry waits for its run no longer than for this much work, or for two round trips, whichever is more. */
const LEAST_WINDOW_MS = 20;
/**
 * More are read ahead when no more than that share is left, or where that is sooner, when what is left lasts no longer
 * than reading takes and so much of the window.
 */
const REFILL_AT = 2 / 3;
const REFILL_SLACK = 1 / 3;
/** How much a new measurement counts against those before. */
const WEIGHT = 0.2;
/** More would be neither read faster nor given back soon, whatever the handlers can do. */
const MOST = 1_000;
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * How many entries a worker reads before there is a slot for them, so that no slot waits for Redis: as many as its
 * handlers will start within a window of two round trips, or 20 ms. Runs and round trips are measured all the time. None
 * while a run takes longer than the window: another worker may be free for them.
 */
export class ReadAhead {
  readonly #capacity: Capacity;
  readonly #most: number;
  readonly #trips: number;
  #runMs: number | undefined;
  #roundTripMs = 0;
  #entryBytes = 0;

  /**
   * `most`: never more entries than that; 0 reads nothing ahead. `trips`: how many round trips it takes to fetch one that
   * may be run.
   */
  constructor(capacity: Capacity, most: number, trips = 1) {
    this.#capacity = capacity;
    this.#trips = trips;
    this.#most = Math.min(most, MOST);
  }

  /** A run has ended. */
  ran(durationMs: number): void {
    this.#runMs = mean(this.#runMs, durationMs);
  }

  /** No run has ended for so long: until others tell otherwise, all take that. */
  heldUp(ms: number): void {
    this.#runMs = Math.max(this.#runMs ?? 0, ms);
  }

  /** A verdict has been answered: about how long one of its round trips took. */
  answered(tripMs: number): void {
    this.#roundTripMs = mean(this.#roundTripMs || undefined, tripMs);
  }

  came(deliveries: readonly Delivery[]): void {
    for (const { entry } of deliveries) {
      const bytes = entry.fields.reduce((sum, { length }) => sum + length, 0);
      this.#entryBytes = mean(this.#entryBytes || undefined, bytes);
    }
  }

  /** How long an entry may wait for its run, in ms. */
  get windowMs(): number {
    return Math.max(LEAST_WINDOW_MS, (this.#trips + 1) * this.#roundTripMs);
  }

  /** When so much is left of what may wait, more is to be asked for. */
  get refillAt(): number {
    const fetching = (this.#trips * this.#roundTripMs) / this.windowMs;
    return Math.min(1, Math.max(REFILL_AT, fetching + REFILL_SLACK));
  }

  /** How many entries may wait for a slot. Until a run has ended that is none: it may be the first of long ones. */
  get entries(): number {
    const { slots, batch } = this.#capacity;
    const started = this.#runMs === undefined ? 0 : this.#startedWithin(slots, this.#runMs);
    const affordable = this.#entryBytes === 0 ? MOST : Math.floor(MOST_BYTES / this.#entryBytes);
    return Math.min(started * batch.size, this.#most, affordable);
  }

  #startedWithin(slots: number, runMs: number): number {
    return runMs > this.windowMs ? 0 : Math.floor((slots * this.windowMs) / Math.max(runMs, 0.001));
  }
}

function mean(before: number | undefined, now: number): number {
  return before === undefined ? now : before + WEIGHT * (now - before);
}
