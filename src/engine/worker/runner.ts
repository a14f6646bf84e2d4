import { errorText } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import type { Handler } from "../handlers/handler.ts";
import type { Outcome } from "../handlers/outcome.ts";
import type { Custody } from "./custody.ts";
import { HAND_BACK } from "./entrance.ts";
import type { Hands } from "./hands.ts";
import { outputEntries } from "./outputs.ts";
import type { OutageGuard } from "./outage-guard.ts";
import type { Settler } from "./settler.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerSettings } from "./types.ts";
import { judge } from "./verdict.ts";

export interface RunnerParts {
  readonly handler: Handler;
  readonly settings: WorkerSettings;
  readonly guard: OutageGuard;
  readonly hands: Hands;
  readonly custody: Custody;
  readonly settler: Settler;
  /** Aborted: what is not begun is handed back. */
  readonly ending: AbortSignal;
  readonly onKilled: () => void;
  readonly onBroken: (reason: string) => void;
  readonly notice: WorkerObserver["notice"];
  readonly onRan: (outcomes: readonly Outcome[], durationMs: number) => void;
}

/** Runs a unit and turns each entry's outcome into the verdict that goes to the settler. */
export class Runner {
  readonly #parts: RunnerParts;
  /** Units for which there was no slot: an entry that others of its key made way for starts out of turn. */
  readonly #queue: (readonly Delivery[])[] = [];
  #everSucceeded = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Starts a unit, or keeps it until a slot is free; none overtakes another. */
  start(unit: readonly Delivery[]): void {
    this.#parts.hands.waits(unit.length);
    this.#queue.push(unit);
    this.#startNext();
  }

  /** Gives up the units that were not started: their entries are the caller's. */
  abandon(): Delivery[] {
    const entries = this.#queue.splice(0).flat();
    this.#parts.hands.waitedFor(entries.length);
    return entries;
  }

  async #run(unit: readonly Delivery[]): Promise<void> {
    const { hands } = this.#parts;
    hands.started();
    const { custody } = this.#parts;
    const ours = unit.every((delivery) => custody.isSure(delivery)) ? unit : await this.#confirmed(unit);
    if (ours.length > 0) await this.#execute(ours);
    hands.finished();
    this.#startNext();
  }

  async #execute(unit: readonly Delivery[]): Promise<void> {
    const { handler, settler, onRan } = this.#parts;
    const startedAt = performance.now();
    const outcomes = await handler.run(unit);
    const durationMs = Math.round(performance.now() - startedAt);
    onRan(outcomes, durationMs);
    for (const [i, delivery] of unit.entries()) {
      settler.settle(delivery, this.#verdict(delivery, outcomes[i] ?? STOPPED), durationMs);
    }
  }

  /**
   * After a pause, of this process or of its machine, others may have taken what was to be run, and be done with it:
   * Redis is asked, for as long as it takes, and what is not this worker's any more is dropped.
   */
  async #confirmed(unit: readonly Delivery[]): Promise<readonly Delivery[]> {
    const { custody, settler, ending, notice } = this.#parts;
    let left = unit;
    for (let failures = 0; !ending.aborted; failures++) {
      try {
        const ours = await custody.confirm(left);
        for (const delivery of left) if (!ours.includes(delivery)) settler.drop(delivery);
        left = ours;
        // Another pause may have come before the answer.
        if (left.every((delivery) => custody.isSure(delivery))) return left;
      } catch (error) {
        notice("detail", `not begun before Redis says whose it is: ${errorText(error)}`);
        await sleep(reconnectDelayMs(failures), ending);
      }
    }
    for (const delivery of left) settler.settle(delivery, HAND_BACK, 0);
    return [];
  }

  #startNext(): void {
    const { hands } = this.#parts;
    while (hands.freeSlots > 0) {
      const unit = this.#queue.shift();
      if (!unit) return;
      hands.waitedFor(unit.length);
      void this.#run(unit);
    }
  }

  #verdict(delivery: Delivery, outcome: Outcome): Verdict {
    const { settings, guard, onKilled, onBroken } = this.#parts;
    if (succeeded(outcome)) this.#everSucceeded = true;
    if (outcome.kind === "stopped") onKilled();
    const facts = { deliveries: delivery.deliveries, everSucceeded: this.#everSucceeded };
    const verdict = withOutputs(judge(outcome, facts, settings.retry));
    if (verdict.kind === "broken") onBroken(verdict.reason);
    // What is dead only because its deliveries are used up failed in a way that may pass, too.
    const mayPass = judge(outcome, { ...facts, deliveries: 0 }, settings.retry).kind === "retry";
    return guard.pass(verdict, mayPass, "reason" in verdict ? verdict.reason : "");
  }
}

const STOPPED: Outcome = { kind: "stopped" };

function succeeded(outcome: Outcome): boolean {
  return (
    (outcome.kind === "exit" && outcome.code === 0) || (outcome.kind === "answer" && outcome.answer === "ok")
  );
}

/** What the handler printed, as the entries to put out. */
function withOutputs(verdict: Verdict): Verdict {
  if (verdict.kind !== "ack" || verdict.stdout === undefined) return verdict;
  const outputs = outputEntries(verdict.stdout);
  return typeof outputs === "string"
    ? { kind: "dead", reason: outputs, stderr: Buffer.alloc(0) }
    : { kind: "ack", outputs };
}
