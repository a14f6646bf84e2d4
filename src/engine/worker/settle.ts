import { setMaxListeners } from "node:events";
import type { StreamKey } from "../../entry/names.ts";
import { ConnectionError, errorText } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { isNoGroup, isTransient } from "../../redis/errors.ts";
import { sameSlot } from "../../redis/keys.ts";
import { isDone, isGone, type Owned } from "../../redis/ops/owned.ts";
import { TooFewReplicas } from "../../redis/replicas.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { type Retries, takeAfterMs } from "./retries.ts";
import { type DeadLetterSettings, moveToDeadLetters } from "./dead-letter.ts";
import { settleSuccess, type SuccessSettings } from "./emit.ts";
import type { WorkerEvents } from "./events.ts";
import { FENCED_TRIPS } from "./fence.ts";
import { type InFlight, type InFlightEntry, noteOrphaned, noteVerdictSent } from "./in-flight.ts";
import type { Ordering } from "./ordering.ts";
import type { Ownership } from "./ownership.ts";
import { isPostponed, Postponer } from "./postpone.ts";
import type { ReadAhead } from "./read-ahead.ts";
import type { Restorer } from "./restore.ts";
import type { VerdictWatch } from "./health.ts";
import { leavesPending, type Verdict, type WorkerSettings } from "./types.ts";

/** Acks that wait for each other go out together; more would hold the server for longer than a ms. */
const ACK_BATCH = 200;
/** Full calls of acks that may be on their way, where that takes long. */
const ACK_CALLS = 8;

/** Gives one of `Owned` per item. */
type Send = (items: readonly Settling[]) => Promise<Owned[]>;

interface Settling {
  readonly delivery: InFlightEntry;
  readonly verdict: Verdict;
  readonly durationMs: number;
  readonly failedAt: Date;
  /** The same moment on the clock that nobody sets. */
  readonly sinceMs: number;
}

export interface SettlerParts {
  readonly streams: Streams;
  readonly settings: SuccessSettings & DeadLetterSettings & Pick<WorkerSettings, "claimIdleMs" | "retry">;
  readonly inFlight: InFlight;
  readonly ownership: Ownership;
  readonly retries: Retries;
  readonly watch: VerdictWatch;
  readonly restorer: Restorer;
  readonly ordering: Ordering;
  readonly readAhead: ReadAhead;
  readonly events: WorkerEvents;
}

/**
 * Delivers verdicts. Each is one script that acts only while the entry is pending for this consumer, so it
 * is repeated through outages until it is answered: a verdict reached while Redis was away arrives when it
 * is back. An entry that others own by then keeps their verdict.
 */
export class Settler {
  readonly #parts: SettlerParts;
  readonly #postponer: Postponer;
  readonly #giveUp = new AbortController();
  readonly #acks = new Map<string, Settling[]>();
  /** Calls of acks on their way, per stream. */
  readonly #ackCalls = new Map<string, number>();

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    this.#postponer = new Postponer(parts);
    // Each verdict that waits for its next try listens; Node takes eleven listeners for a leak, and prints so.
    setMaxListeners(0, this.#giveUp.signal);
  }

  settle(delivery: InFlightEntry, given: Verdict, durationMs: number): void {
    const { inFlight } = this.#parts;
    const verdict = leavesPending(given) ? this.#postponer.fit(given, delivery) : given;
    const item = { delivery, verdict, durationMs, failedAt: new Date(), sinceMs: performance.now() };
    inFlight.settles(delivery);
    if (delivery.orphaned) this.#settleOrphan(item);
    else if (this.#isPlainAck(verdict)) {
      const queue = this.#acks.get(delivery.stream) ?? [];
      queue.push(item);
      this.#acks.set(delivery.stream, queue);
      // Not at once: those of one batch are given one by one, and none is to wait for the answer to the first.
      queueMicrotask(() => this.#flushAcks(delivery.stream));
    } else void this.#settleOne(item);
  }

  /** The entry is not this worker's any more: it was not run. */
  drop(delivery: InFlightEntry): void {
    this.#parts.events.lost(delivery, undefined, "another");
    this.#parts.inFlight.settled(delivery);
  }

  /**
   * An entry whose data has gone from the stream is nowhere but here. It can't be retried or handed back: a failed
   * one is dead-lettered, from what this worker has of it.
   */
  #settleOrphan(item: Settling): void {
    const { delivery, verdict } = item;
    const { inFlight, events } = this.#parts;
    if (verdict.kind === "release" || verdict.kind === "broken") {
      events.missing(delivery.stream, [delivery.entry.id]);
      inFlight.settled(delivery);
    } else if (this.#isPlainAck(verdict)) this.#done(item, "done", false);
    else if (isPostponed(verdict)) {
      const reason = `${verdict.reason}; no ${verdict.kind}: its data has gone from the stream`;
      const { stderr = Buffer.alloc(0) } = verdict;
      const exit = verdict.kind === "retry" ? verdict.exit : undefined;
      const dead = { kind: "dead", reason, stderr, ...(exit === undefined ? {} : { exit }) } as const;
      void this.#settleOne({ ...item, verdict: dead });
    } else void this.#settleOne(item);
  }

  /** Acks that bring nothing else with them go out together. */
  #isPlainAck(verdict: Verdict): boolean {
    if (verdict.kind === "duplicate" || verdict.kind === "unmatched") return true;
    return verdict.kind === "ack" && !this.#parts.settings.dedupe && !verdict.outputs?.length;
  }

  /** Stops repeating: what is not delivered by now stays pending, and is delivered to somebody again. */
  giveUp(): void {
    this.#giveUp.abort();
  }

  /** One call at a time, and what comes meanwhile goes with the next; only full ones go beside it. */
  #flushAcks(stream: StreamKey): void {
    const queue = this.#acks.get(stream) ?? [];
    for (
      let calls = this.#ackCalls.get(stream) ?? 0;
      queue.length > 0 && (calls === 0 || (queue.length >= ACK_BATCH && calls < ACK_CALLS));
      calls++
    ) {
      this.#ackCalls.set(stream, calls + 1);
      void this.#sendAcks(stream, queue.splice(0, ACK_BATCH));
    }
  }

  async #sendAcks(stream: StreamKey, batch: readonly Settling[]): Promise<void> {
    const { streams, settings } = this.#parts;
    await this.#deliver(batch, (items) => {
      const claims = items.map(({ delivery }) => delivery.claim);
      return streams.ackOwned(stream, settings, claims, { remove: settings.deleteAcked });
    });
    this.#ackCalls.set(stream, (this.#ackCalls.get(stream) ?? 1) - 1);
    this.#flushAcks(stream);
  }

  async #settleOne(item: Settling): Promise<void> {
    await this.#deliver([item], async () => [await this.#sendOne(item)]);
  }

  async #sendOne({ delivery, verdict, failedAt, sinceMs }: Settling): Promise<Owned> {
    const { streams, settings, retries } = this.#parts;
    const { stream, deliveries, claim } = delivery;
    const { id } = delivery.entry;
    const { claimIdleMs, retry } = settings;
    switch (verdict.kind) {
      case "retry":
      case "snooze":
        // Measured from the failure, not from when Redis could be told of it.
        return this.#postponer.leave(
          delivery,
          verdict,
          Math.max(0, verdict.delayMs - (performance.now() - sinceMs)),
        );
      case "dead":
        return moveToDeadLetters(streams, settings, delivery, verdict, failedAt);
      case "release":
      case "broken": {
        const counted = verdict.kind === "release" && verdict.counted;
        const count = counted ? deliveries : deliveries - 1;
        retries.leave(stream, id, count);
        const left = { idleMs: takeAfterMs(count, claimIdleMs, retry), deliveries: count, waitMs: 0 };
        return streams.requeueOwned(stream, settings, claim, left);
      }
      case "ack":
        return settleSuccess(streams, settings, delivery, verdict.outputs ?? []);
      case "duplicate":
      case "unmatched":
        throw new TypeError("plain acks go out in batches");
    }
  }

  /** Repeats `send` until it is answered, then tells what came of each item. */
  async #deliver(items: readonly Settling[], send: Send): Promise<void> {
    const { events } = this.#parts;
    let replyLost = false;
    for (let attempt = 0; ; attempt++) {
      try {
        const answers = await this.#sendToGroup(items, send, replyLost);
        for (const [i, item] of items.entries()) this.#done(item, answers[i] ?? "notPending", replyLost);
        return;
      } catch (error) {
        if (isNoGroup(error)) {
          for (const item of items) this.#done(item, "notPending", replyLost);
          return;
        }
        if (!isTransient(error)) {
          events.failed(error);
          return this.#leave(items);
        }
        replyLost ||= error instanceof ConnectionError && error.sent;
        events.notice("detail", `verdict not delivered yet: ${errorText(error)}`);
        for (const item of items) this.#setAside(item, error);
        if (!this.#giveUp.signal.aborted) await sleep(reconnectDelayMs(attempt), this.#giveUp.signal);
        if (this.#giveUp.signal.aborted) return this.#leave(items);
      }
    }
  }

  /**
   * Sends verdicts of one stream. Those that did not find their entries because Redis had thrown them away are sent
   * once more when the entries are pending again. After a lost reply, "not pending" is our own success, unless Redis tells
   * that the step had not come.
   */
  async #sendToGroup(items: readonly Settling[], send: Send, replyLost: boolean): Promise<Owned[]> {
    const { ownership } = this.#parts;
    const { stream } = (items[0] as Settling).delivery;
    const sentAt = performance.now();
    const sending = this.#sendMarked(items, send, replyLost);
    if (items.some(({ verdict }) => leavesPending(verdict))) ownership.holdReads(sending);
    const answers = await sending;
    this.#parts.readAhead.answered((performance.now() - sentAt) / this.#tripsOf(items));
    let gone: Settling[] = [];
    for (const [i, item] of items.entries()) {
      const answer = answers[i] ?? "notPending";
      if (isDone(answer)) ownership.stillHad(item.delivery, sentAt);
      else if (isGone(answer)) gone.push(item);
    }
    if (replyLost) gone = await this.#undone(stream, gone);
    if (gone.length === 0) return answers;
    // A handler's output, or its dead letter, is delivered also when the entry may have been acked by hand meanwhile, but
    // not when it was dead-lettered by hand.
    const carriesMore = gone.some(({ verdict }) => !this.#isPlainAck(verdict) && !leavesPending(verdict));
    const sign = carriesMore ? "thrownAway" : (answers.find(isGone) ?? "notPending");
    await ownership.readEnded();
    const lost = gone.map(({ delivery }) => delivery);
    const regained = await ownership.regain(stream, lost, sign, carriesMore);
    const astray = gone.filter(({ delivery }) => regained || delivery.cameAgain);
    if (astray.length === 0) return answers;
    const again = await this.#sendMarked(astray, send, false);
    return items.map((item, i) => again[astray.indexOf(item)] ?? answers[i] ?? "notPending");
  }

  /**
   * Marks the deliveries as long as what Redis has of them proves nothing: from before their verdicts are sent, and for
   * good when these were carried out, because a heartbeat that was sent meanwhile may be answered later. None is sent
   * while what this worker has is being made pending again: the script would find it acked, and hold it once more. A
   * group that has gone is made again.
   */
  async #sendMarked(items: readonly Settling[], send: Send, replyLost: boolean): Promise<Owned[]> {
    const { restorer } = this.#parts;
    const { stream } = (items[0] as Settling).delivery;
    await restorer.ended(stream);
    for (const { delivery, verdict } of items) noteVerdictSent(delivery, true, leavesPending(verdict));
    try {
      const answers = await send(items);
      for (const [i, { delivery }] of items.entries())
        noteVerdictSent(delivery, isDone(answers[i] ?? "notPending"));
      return answers;
    } catch (error) {
      if (!replyLost && !(error instanceof ConnectionError && error.sent))
        for (const { delivery } of items) noteVerdictSent(delivery, false);
      if (!isNoGroup(error) || !(await restorer.restore(stream, true))) throw error;
      return this.#sendMarked(items, send, replyLost);
    }
  }

  /** How many round trips the verdicts take, about: a move to another slot is several steps. */
  #tripsOf(items: readonly Settling[]): number {
    const { streams, settings } = this.#parts;
    const isMoved = ({ delivery: { stream }, verdict }: Settling): boolean => {
      const dead = verdict.kind === "dead" ? settings.dlqKey(stream) : undefined;
      const emitted = verdict.kind === "ack" && verdict.outputs?.length ? settings.emitTo : undefined;
      const target = dead ?? emitted;
      return target !== undefined && !sameSlot(stream, target, streams.cluster);
    };
    return items.some(isMoved) ? FENCED_TRIPS : 1;
  }

  /** Of verdicts whose entries were not pending when they were sent again, those that were not carried out before. */
  async #undone(stream: StreamKey, gone: readonly Settling[]): Promise<Settling[]> {
    // Of an ack that did not come nothing is missing: the entry has been thrown away.
    const more = gone.filter(({ verdict }) => !this.#isPlainAck(verdict));
    return this.#parts.ownership.undone(stream, more);
  }

  #setAside(item: Settling, error: unknown): void {
    const { watch, inFlight } = this.#parts;
    const mayWait = watch.waits(item.delivery, bytesOf(item), error);
    // If the primary died now, what has run and is on no replica would run again: no more of that is begun.
    if (mayWait && !(error instanceof TooFewReplicas)) inFlight.setAside(item.delivery);
  }

  /** Entries whose verdicts can't be delivered stay pending as they are: counted, and taken over in time. */
  #leave(items: readonly Settling[]): void {
    for (const { delivery } of items) {
      const { stream, entry, deliveries } = delivery;
      this.#parts.retries.leave(stream, entry.id, deliveries);
      this.#parts.watch.ends(delivery);
      this.#parts.inFlight.settled(delivery);
    }
  }

  #done(item: Settling, answer: Owned, replyLost: boolean): void {
    const { delivery, verdict, durationMs } = item;
    const { inFlight, events, ordering, retries, watch } = this.#parts;
    watch.ends(delivery);
    if (answer === "orphaned") {
      noteOrphaned(delivery);
      retries.forget(delivery.stream, delivery.entry.id);
      return this.#settleOrphan(item);
    }
    // After a lost reply, "not pending" is what our own success looks like.
    if (isDone(answer) || (isGone(answer) && replyLost)) {
      if (verdict.kind === "ack" || verdict.kind === "dead" || verdict.kind === "duplicate") {
        inFlight.over(delivery);
        ordering.settled(delivery);
      }
      events.settled(delivery, verdict, durationMs);
    } else {
      retries.forget(delivery.stream, delivery.entry.id);
      events.lost(delivery, verdict, answer === "takenByOther" ? "another" : "nobody");
    }
    inFlight.settled(delivery);
  }
}

/** What is kept in memory for a verdict. */
function bytesOf({ delivery, verdict }: Settling): number {
  const outputs = verdict.kind === "ack" ? (verdict.outputs ?? []).flat() : [];
  return [...delivery.entry.fields, ...outputs].reduce((sum, { length }) => sum + length, 0);
}
