import { errorText } from "../../errors.ts";
import type { Pacer } from "../../lib/rate.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { sleep, startTimer, type Timer } from "../../lib/timer.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { BatchRule, Handler } from "../handlers/handler.ts";
import { isSuccess, type Outcome } from "../handlers/outcome.ts";
import { alreadyDone, type DedupeSettings, type SameKeys } from "./dedupe.ts";
import { outputEntries } from "./emit.ts";
import type { WorkerEvents } from "./events.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import type { InFlight, InFlightEntry } from "./in-flight.ts";
import { judge, type OutageGuard } from "./judge.ts";
import type { Ownership } from "./ownership.ts";
import type { ReadAhead } from "./read-ahead.ts";
import type { Settler } from "./settle.ts";
import { HAND_BACK, type Verdict, type WorkerSettings } from "./types.ts";

interface WaitingEntry {
  readonly entry: InFlightEntry;
  /** By performance.now(), at this rate. */
  startAt: number;
}

/**
 * Entries that wait for their run, in the order in which they came, put together into the batches that handlers get. Each
 * of them is part of one from its time at the rate on.
 */
export class Batches {
  readonly #rule: BatchRule;
  readonly #pacer: Pacer;
  readonly #onDue: () => void;
  #waiting: WaitingEntry[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `onDue`: the next batch may start. */
  constructor(rule: BatchRule, pacer: Pacer, onDue: () => void) {
    this.#rule = rule;
    this.#pacer = pacer;
    this.#onDue = onDue;
  }

  add(entry: InFlightEntry): void {
    this.#waiting.push({ entry, startAt: this.#pacer.count() });
    // Others may never come.
    if (this.#waiting.length === 1) this.#wakeAt(this.#startsAt);
  }

  /** The next batch that may start: a full one, or one whose first entry has waited for its time. */
  next(): InFlightEntry[] | undefined {
    const now = performance.now();
    const startsAt = this.#startsAt;
    this.#wakeAt(startsAt > now ? startsAt : Number.POSITIVE_INFINITY);
    if (startsAt > now) return undefined;
    let ready = 0;
    while (ready < this.#rule.size && (this.#waiting[ready]?.startAt ?? Infinity) <= now) ready++;
    const batch = this.#waiting.splice(0, ready);
    const lateMs = this.#pacer.late(batch.at(-1)?.startAt ?? now);
    if (lateMs > 0) for (const waiting of this.#waiting) waiting.startAt += lateMs;
    return batch.map(({ entry }) => entry);
  }

  /** Gives up all that wait: they are the caller's. */
  abandon(): InFlightEntry[] {
    this.#wakeAt(Number.POSITIVE_INFINITY);
    return this.#waiting.splice(0).map(({ entry }) => entry);
  }

  /** When the next batch may start, by performance.now(). */
  get #startsAt(): number {
    const { size, waitMs } = this.#rule;
    const [first] = this.#waiting;
    if (!first) return Number.POSITIVE_INFINITY;
    const full = this.#waiting[size - 1]?.startAt ?? Number.POSITIVE_INFINITY;
    return Math.min(full, Math.max(first.entry.gotAt, first.startAt) + waitMs);
  }

  #wakeAt(at: number): void {
    if (at === this.#timerAt) return;
    this.#timer?.stop();
    this.#timerAt = at;
    this.#timer = undefined;
    if (!Number.isFinite(at)) return;
    this.#timer = startTimer(Math.max(0, at - performance.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#onDue();
    });
  }
}

/** After so many windows of reading ahead in which no run has begun the handlers have slowed down. */
const PATIENCE = 2;

export interface RunnerParts {
  readonly handler: Handler;
  readonly streams: Streams;
  readonly settings: DedupeSettings & Pick<WorkerSettings, "retry">;
  readonly guard: OutageGuard;
  readonly inFlight: InFlight;
  readonly groupState: GroupState;
  readonly ownership: Ownership;
  readonly settler: Settler;
  readonly readAhead: ReadAhead;
  readonly sameKeys: SameKeys;
  readonly pacer: Pacer;
  /** Aborted: what is not begun is handed back. */
  readonly ending: AbortSignal;
  readonly events: WorkerEvents;
}

/**
 * Runs entries, batch by batch, as slots are free, and gives the settler a verdict for each. What waits for a slot longer
 * than it was read ahead for goes back to the group.
 */
export class Runner {
  readonly #parts: RunnerParts;
  /** What is to be run when its turn comes; `startNext` looks whether that is now. */
  readonly waiting: Batches;
  /** Runs while entries wait for a slot and none starts. */
  #heldUp: Timer | undefined;
  #everSucceeded = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.waiting = new Batches(parts.handler.batch, parts.pacer, () => this.startNext());
  }

  /** Starts what may start: none overtakes another. While the outage guard probes nothing waits, but for a probe. */
  startNext(): void {
    const { inFlight, guard, readAhead } = this.#parts;
    while (inFlight.freeSlots > 0 && guard.allow(1, inFlight.running, performance.now()) > 0) {
      this.#notHeldUp();
      const batch = this.waiting.next();
      if (!batch) return;
      void this.#run(batch);
    }
    if (inFlight.waiting === 0) return this.#notHeldUp();
    if (guard.paused) return this.handBack();
    const patienceMs = PATIENCE * readAhead.windowMs;
    this.#heldUp ??= startTimer(patienceMs, () => {
      readAhead.heldUp(patienceMs);
      this.handBack();
    });
  }

  /** What was not started goes back to the group, for others to take at once. */
  handBack(): void {
    this.#notHeldUp();
    for (const entry of this.waiting.abandon()) this.#parts.settler.settle(entry, HAND_BACK, 0);
  }

  #notHeldUp(): void {
    this.#heldUp?.stop();
    this.#heldUp = undefined;
  }

  async #run(batch: readonly InFlightEntry[]): Promise<void> {
    const { inFlight, groupState, ownership, sameKeys, handler, settler, readAhead, events } = this.#parts;
    inFlight.start(batch);
    const isSure = (entry: InFlightEntry): boolean =>
      ownership.isSure(entry) && !groupState.isPaused(entry.stream);
    const mayBegin =
      groupState.isFresh && batch.every((entry) => isSure(entry) && !sameKeys.followsAnother(entry));
    const ours = mayBegin ? batch : await this.#confirmed(batch);
    if (ours.length > 0) {
      const startedAt = performance.now();
      const outcomes = await handler.run(ours, isSure);
      const tookMs = performance.now() - startedAt;
      const durationMs = Math.round(tookMs);
      readAhead.ran(tookMs);
      events.ran(outcomes, durationMs);
      for (const [i, entry] of ours.entries())
        settler.settle(entry, this.#verdict(entry, outcomes[i] ?? STOPPED), durationMs);
    }
    inFlight.finished();
    this.startNext();
  }

  /**
   * After a pause, of this process or of its machine, others may have taken what was to be run, and be done with it, or
   * the group may be paused: Redis is asked, for as long as it takes, and what is not this worker's any more is dropped. So
   * is what needs no run, because an entry with the same key has succeeded since it came.
   */
  async #confirmed(batch: readonly InFlightEntry[]): Promise<readonly InFlightEntry[]> {
    const { groupState, ownership, settler, ending, events } = this.#parts;
    let left = batch;
    for (let failures = 0; !ending.aborted; failures++) {
      try {
        if (!groupState.isFresh) await groupState.look();
        if (left.some(({ stream }) => groupState.isPaused(stream))) break;
        const ours = await ownership.confirm(left);
        for (const delivery of left) if (!ours.includes(delivery)) settler.drop(delivery);
        left = ours;
        left = await this.#withoutDuplicates(ours);
        // Another pause may have come before the answer.
        if (groupState.isFresh && left.every((delivery) => ownership.isSure(delivery))) return left;
      } catch (error) {
        events.notice("detail", `not begun before Redis has been asked: ${errorText(error)}`);
        await sleep(reconnectDelayMs(failures), ending);
      }
    }
    for (const delivery of left) settler.settle(delivery, HAND_BACK, 0);
    return [];
  }

  async #withoutDuplicates(batch: readonly InFlightEntry[]): Promise<readonly InFlightEntry[]> {
    const { streams, settings, inFlight, sameKeys, settler, ending } = this.#parts;
    const followers = batch.filter((entry) => sameKeys.followsAnother(entry));
    while (!ending.aborted && followers.some((entry) => sameKeys.mustWait(entry)))
      await inFlight.changed(ending);
    const done = await alreadyDone(streams, settings, followers);
    for (const entry of followers) if (done.has(entry)) settler.settle(entry, { kind: "duplicate" }, 0);
    return batch.filter((entry) => !done.has(entry));
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
  if (outcome.kind === "response") return isSuccess(outcome.status);
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
