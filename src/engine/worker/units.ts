import { startTimer, type Timer } from "../../lib/timer.ts";
import type { BatchRule } from "../handlers/handler.ts";
import type { Hands } from "./hands.ts";
import type { Delivery } from "./types.ts";

/** Puts deliveries together into the units in which handlers get them. */
export class Units {
  readonly #rule: BatchRule;
  readonly #hands: Hands;
  readonly #start: (unit: readonly Delivery[]) => void;
  #open: Delivery[] = [];
  #timer: Timer | undefined;

  constructor(rule: BatchRule, hands: Hands, start: (unit: readonly Delivery[]) => void) {
    this.#rule = rule;
    this.#hands = hands;
    this.#start = start;
  }

  add(delivery: Delivery): void {
    this.#open.push(delivery);
    this.#hands.waits();
    if (this.#open.length >= this.#rule.size) this.#close();
    else if (this.#rule.waitMs > 0) this.#timer ??= startTimer(this.#rule.waitMs, () => this.#close());
  }

  /** Called after each read: without a time to wait, what came together starts together. */
  readEnded(): void {
    if (this.#rule.waitMs === 0) this.#close();
  }

  /** Gives up the open unit: its entries are the caller's. */
  abandon(): Delivery[] {
    this.#timer?.stop();
    this.#timer = undefined;
    const unit = this.#open;
    this.#open = [];
    this.#hands.waitedFor(unit.length);
    return unit;
  }

  #close(): void {
    const unit = this.abandon();
    if (unit.length > 0) this.#start(unit);
  }
}
