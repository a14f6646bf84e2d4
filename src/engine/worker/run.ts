import { errorText } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import type { Handler } from "../handlers/handler.ts";
import type { Outcome } from "../handlers/outcome.ts";
import { Batches } from "./batch.ts";
import type { Ownership } from "./ownership.ts";
import type { WorkerEvents } from "./events.ts";
import type { InFlight, InFlightEntry } from "./in-flight.ts";
import { outputEntries } from "./emit.ts";
import { judge, type OutageGuard } from "./judge.ts";
import type { Settler } from "./settle.ts";
import { HAND_BACK, type Verdict, type WorkerSettings } from "./types.ts";

export interface RunnerParts {
  readonly handler: Handler;
  readonly settings: Pick<WorkerSettings, "retry">;
  readonly guard: OutageGuard;
  readonly inFlight: InFlight;
  readonly ownership: Ownership;
  readonly settler: Settler;
  /** Aborted: what is not begun is handed back. */
  readonly ending: AbortSignal;
  readonly events: WorkerEvents;
}

/**
 * Puts what is let in together into batches, runs each when a slot is free, and gives the settler a verdict for each
 * entry.
 */
export class Runner {
  readonly #parts: RunnerParts;
  /** Undefined: each entry is a batch of its own. */
  readonly #batches: Batches | undefined;
  /** Batches for which there was no slot: an entry that others of its key made way for starts out of turn. */
  readonly #queue: (readonly InFlightEntry[])[] = [];
  #everSucceeded = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    const { batch } = parts.handler;
    this.#batches = batch.size > 1 ? new Batches(batch, this) : undefined;
  }

  /** An entry that is to be run. */
  add(entry: InFlightEntry): void {
    if (this.#batches) return this.#batches.add(entry);
    this.#queue.push([entry]);
    this.#startNext();
  }

  /** What one read has brought was added. */
  readEnded(): void {
    this.#batches?.readEnded();
  }

  /** Starts a batch, or keeps it until a slot is free; none overtakes another. */
  start(batch: readonly InFlightEntry[]): void {
    this.#queue.push(batch);
    this.#startNext();
  }

  /** Gives up what was not started: those entries are the caller's. */
  abandon(): InFlightEntry[] {
    return [...(this.#batches?.abandon() ?? []), ...this.#queue.splice(0).flat()];
  }

  #startNext(): void {
    const { inFlight } = this.#parts;
    while (inFlight.freeSlots > 0) {
      const batch = this.#queue.shift();
      if (!batch) return;
      void this.#run(batch);
    }
  }

  async #run(batch: readonly InFlightEntry[]): Promise<void> {
    const { inFlight, ownership, handler, settler, events } = this.#parts;
    inFlight.start(batch);
    const isSure = (entry: InFlightEntry): boolean => ownership.isSure(entry);
    const ours = batch.every(isSure) ? batch : await this.#confirmed(batch);
    if (ours.length > 0) {
      const startedAt = performance.now();
      const outcomes = await handler.run(ours, isSure);
      const durationMs = Math.round(performance.now() - startedAt);
      events.ran(outcomes, durationMs);
      for (const [i, entry] of ours.entries())
        settler.settle(entry, this.#verdict(entry, outcomes[i] ?? STOPPED), durationMs);
    }
    inFlight.finished();
    this.#startNext();
  }

  /**
   * After a pause, of this process or of its machine, others may have taken what was to be run, and be done with it:
   * Redis is asked, for as long as it takes, and what is not this worker's any more is dropped.
   */
  async #confirmed(batch: readonly InFlightEntry[]): Promise<readonly InFlightEntry[]> {
    const { ownership, settler, ending, events } = this.#parts;
    let left = batch;
    for (let failures = 0; !ending.aborted; failures++) {
      try {
        const ours = await ownership.confirm(left);
        for (const delivery of left) if (!ours.includes(delivery)) settler.drop(delivery);
        left = ours;
        // Another pause may have come before the answer.
        if (left.every((delivery) => ownership.isSure(delivery))) return left;
      } catch (error) {
        events.notice("detail", `not begun before Redis says whose it is: ${errorText(error)}`);
        await sleep(reconnectDelayMs(failures), ending);
      }
    }
    for (const delivery of left) settler.settle(delivery, HAND_BACK, 0);
    return [];
  }

  #verdict(delivery: InFlightEntry, outcome: Outcome): Verdict {
    const { settings, guard, events } = this.#parts;
    if (succeeded(outcome)) this.#everSucceeded = true;
    if (outcome.kind === "stopped") events.killed();
    const facts = { deliveries: delivery.deliveries, everSucceeded: this.#everSucceeded };
    const verdict = withOutputs(judge(outcome, facts, settings.retry));
    if (verdict.kind === "broken") events.broken(verdict.reason);
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
