import { startTimer, type Timer } from "../../lib/timer.ts";
import type { BatchRule } from "../handlers/handler.ts";
import type { InFlightEntry } from "./in-flight.ts";

/** Entries that wait for their run, in the order in which they came, put together into the batches that handlers get. */
export class Batches {
  readonly #rule: BatchRule;
  readonly #onDue: () => void;
  #waiting: InFlightEntry[] = [];
  /** The first of them has waited long enough for others. */
  #due = false;
  #timer: Timer | undefined;

  /** `onDue`: a batch that is not full may start, too. */
  constructor(rule: BatchRule, onDue: () => void) {
    this.#rule = rule;
    this.#onDue = onDue;
  }

  add(delivery: InFlightEntry): void {
    this.#waiting.push(delivery);
    if (this.#waiting.length === 1) this.#open();
  }

  /** The next batch that may start: a full one, or one whose first entry has waited for its time. */
  next(): InFlightEntry[] | undefined {
    const { size } = this.#rule;
    if (this.#waiting.length === 0 || (this.#waiting.length < size && !this.#due)) return undefined;
    const batch = this.#waiting.splice(0, size);
    this.#open();
    return batch;
  }

  /** Gives up all that wait: they are the caller's. */
  abandon(): InFlightEntry[] {
    const waiting = this.#waiting.splice(0);
    this.#open();
    return waiting;
  }

  #open(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (!first) return;
    const leftMs = first.gotAt + this.#rule.waitMs - performance.now();
    this.#due = leftMs <= 0;
    if (this.#due) return;
    this.#timer = startTimer(leftMs, () => {
      this.#due = true;
      this.#onDue();
    });
  }
}
