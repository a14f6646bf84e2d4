import { startTimer, type Timer } from "../../lib/timer.ts";
import type { BatchRule } from "../handlers/handler.ts";
import type { InFlightEntry } from "./in-flight.ts";
import type { Runner } from "./run.ts";

/** Puts deliveries together into the batches in which handlers get them. */
export class Batches {
  readonly #rule: BatchRule;
  readonly #runner: Pick<Runner, "start">;
  #open: InFlightEntry[] = [];
  #timer: Timer | undefined;

  constructor(rule: BatchRule, runner: Pick<Runner, "start">) {
    this.#rule = rule;
    this.#runner = runner;
  }

  add(delivery: InFlightEntry): void {
    this.#open.push(delivery);
    if (this.#open.length >= this.#rule.size) this.#close();
    else if (this.#rule.waitMs > 0) this.#timer ??= startTimer(this.#rule.waitMs, () => this.#close());
  }

  /** Called after each read: without a time to wait, what came together starts together. */
  readEnded(): void {
    if (this.#rule.waitMs === 0) this.#close();
  }

  /** Gives up the open batch: its entries are the caller's. */
  abandon(): InFlightEntry[] {
    this.#timer?.stop();
    this.#timer = undefined;
    const batch = this.#open;
    this.#open = [];
    return batch;
  }

  #close(): void {
    const batch = this.abandon();
    if (batch.length > 0) this.#runner.start(batch);
  }
}
