import { startTimer } from "../../lib/timer.ts";
import type { Delivery } from "./types.ts";

/** Verdicts on their way may be as many as entries that run. */
const UNSETTLED_PER_PLACE = 2;

/** Of so many entries it is remembered when they were settled: more than can be within the time of one step. */
const REMEMBERED = 4_096;

/**
 * The entries in this worker's hands: delivered to it, and not settled yet. The heartbeat walks through
 * them and the reclaimer leaves them alone. No more is taken than can start at once (`slots` invocations
 * of `unitSize` entries; persistent handlers that answer fast take more), and no more than waits already for its
 * verdicts to be delivered, but for those set aside.
 */
export class Hands {
  readonly #slots: () => number;
  readonly #unitSize: number;
  readonly #held = new Map<string, Map<string, Delivery>>();
  #count = 0;
  #running = 0;
  #waiting = 0;
  readonly #aside = new Set<Delivery>();
  #listeners = new Set<() => void>();
  /** By ID and stream, when entries were settled for good; the last one is the latest. */
  readonly #over = new Map<string, number>();

  constructor(slots: () => number, unitSize: number) {
    this.#slots = slots;
    this.#unitSize = unitSize;
  }

  /** Entries not settled yet, running or not. */
  get count(): number {
    return this.#count;
  }

  /** Invocations that run. */
  get running(): number {
    return this.#running;
  }

  get freeSlots(): number {
    return this.#slots() - this.#running;
  }

  /** How many entries may be taken. */
  get free(): number {
    const startable = this.freeSlots * this.#unitSize - this.#waiting;
    const settleable = this.#slots() * this.#unitSize * UNSETTLED_PER_PLACE + this.#aside.size - this.#count;
    return Math.max(0, Math.min(startable, settleable));
  }

  has(stream: string, id: string): boolean {
    return this.#held.get(stream)?.has(id) ?? false;
  }

  get(stream: string, id: string): Delivery | undefined {
    return this.#held.get(stream)?.get(id);
  }

  of(stream: string): Iterable<Delivery> {
    return this.#held.get(stream)?.values() ?? [];
  }

  /** Some of them, those held longest first within each stream. */
  some(most: number): Delivery[] {
    const all: Delivery[] = [];
    for (const ofStream of this.#held.values()) {
      for (const delivery of ofStream.values()) {
        if (all.length === most) return all;
        all.push(delivery);
      }
    }
    return all;
  }

  hold(delivery: Delivery): void {
    let ofStream = this.#held.get(delivery.stream);
    if (!ofStream) this.#held.set(delivery.stream, (ofStream = new Map<string, Delivery>()));
    ofStream.set(delivery.entry.id, delivery);
    this.#count++;
  }

  /** Entries wait for their unit to be complete, or for a slot. */
  waits(entries = 1): void {
    this.#waiting += entries;
  }

  /** Waiting entries are started, or given up, as a unit. */
  waitedFor(entries: number): void {
    this.#waiting -= entries;
  }

  started(): void {
    this.#running++;
  }

  finished(): void {
    this.#running--;
    this.#wake();
  }

  /** Its verdict can't be delivered now, which keeps no other from being taken. */
  setAside(delivery: Delivery): void {
    if (this.#held.get(delivery.stream)?.get(delivery.entry.id) !== delivery || this.#aside.has(delivery))
      return;
    this.#aside.add(delivery);
    this.#wake();
  }

  settled(delivery: Delivery): void {
    this.#aside.delete(delivery);
    if (!this.#held.get(delivery.stream)?.delete(delivery.entry.id)) return;
    this.#count--;
    this.#wake();
  }

  /** Its verdict has settled it for good. */
  over({ stream, entry }: Delivery): void {
    const key = `${entry.id} ${stream}`;
    this.#over.delete(key);
    this.#over.set(key, performance.now());
    if (this.#over.size <= REMEMBERED) return;
    const [oldest = ""] = this.#over.keys();
    this.#over.delete(oldest);
  }

  /**
   * Whether an entry was settled for good after that time of performance.now(): a step that was asked for before may
   * have found it pending all the same, and its answer come into these hands only now.
   */
  isOverSince(time: number, { stream, entry }: Delivery): boolean {
    return (this.#over.get(`${entry.id} ${stream}`) ?? Number.NEGATIVE_INFINITY) > time;
  }

  /** Resolves at the next change (a run finished, an entry settled), after `ms`, or when the signal aborts. */
  changed(signal: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        timer?.stop();
        signal.removeEventListener("abort", done);
        this.#listeners.delete(done);
        resolve();
      };
      const timer = ms === undefined ? undefined : startTimer(ms, done);
      this.#listeners.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #wake(): void {
    for (const resume of this.#listeners) resume();
  }
}
