import type { Delivery } from "./types.ts";

/** Finished runs whose verdicts are still on their way may number as many as those that run. */
const UNSETTLED_PER_PLACE = 2;

/**
 * The entries in this worker's hands: delivered to it, and not settled yet. The heartbeat walks through
 * them and the reclaimer leaves them alone. No more is taken than can start at once, and when verdicts
 * can't be delivered no more is taken than waits already.
 */
export class Hands {
  readonly #places: number;
  readonly #held = new Map<string, Map<string, Delivery>>();
  #count = 0;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  /** Entries not settled yet, running or not. */
  get count(): number {
    return this.#count;
  }

  get running(): number {
    return this.#running;
  }

  get free(): number {
    return Math.max(
      0,
      Math.min(this.#places - this.#running, this.#places * UNSETTLED_PER_PLACE - this.#count),
    );
  }

  has(stream: string, id: string): boolean {
    return this.#held.get(stream)?.has(id) ?? false;
  }

  of(stream: string): Iterable<Delivery> {
    return this.#held.get(stream)?.values() ?? [];
  }

  hold(delivery: Delivery): void {
    let ofStream = this.#held.get(delivery.stream);
    if (!ofStream) this.#held.set(delivery.stream, (ofStream = new Map<string, Delivery>()));
    ofStream.set(delivery.entry.id, delivery);
    this.#count++;
  }

  started(): void {
    this.#running++;
  }

  finished(): void {
    this.#running--;
    this.#wake();
  }

  settled(delivery: Delivery): void {
    if (!this.#held.get(delivery.stream)?.delete(delivery.entry.id)) return;
    this.#count--;
    this.#wake();
  }

  /** Resolves when a run finishes or an entry is settled, or at once when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.push(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
