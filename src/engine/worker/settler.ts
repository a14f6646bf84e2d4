import { errorText, ServerError, ConnectionError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../redis/backoff.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { ackOwned, keepAlive, requeueOwned } from "../../redis/group-steps.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { idleForDelayMs, takeAfterMs } from "./backoff.ts";
import { moveToDeadLetters } from "./dead-letters.ts";
import type { Hands } from "./hands.ts";
import type { Reclaimer } from "./reclaimer.ts";
import { settleSuccess } from "./success.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerSettings } from "./types.ts";

/** Acks that wait for each other go out together; more would hold the server for longer than a ms. */
const ACK_BATCH = 200;

/** Gives one of `Owned` per item. */
type Send = (items: readonly Settling[]) => Promise<number[]>;

interface Settling {
  readonly delivery: Delivery;
  readonly verdict: Verdict;
  readonly durationMs: number;
  readonly failedAt: Date;
  /** The same moment on the clock that nobody sets. */
  readonly sinceMs: number;
}

export interface SettlerParts {
  readonly connection: Connection;
  readonly settings: WorkerSettings;
  readonly hands: Hands;
  readonly reclaimer: Reclaimer;
  readonly observer: WorkerObserver;
  /** Told of an error that no waiting mends: the worker must stop. */
  readonly onFatal: (error: unknown) => void;
  /** Makes groups again that have gone; false when the worker is stopping and leaves them alone. */
  readonly restoreGroups: () => Promise<boolean>;
  /** Told of each entry that nothing is left to do for. */
  readonly onFinal: (delivery: Delivery) => void;
}

/**
 * Delivers verdicts. Each is one script that acts only while the entry is pending for this consumer, so it
 * is repeated through outages until it is answered: a verdict reached while Redis was away arrives when it
 * is back. An entry that others own by then keeps their verdict.
 */
export class Settler {
  readonly #parts: SettlerParts;
  readonly #giveUp = new AbortController();
  readonly #acks = new Map<string, Settling[]>();
  readonly #flushing = new Set<string>();
  /** While what a deleted consumer had is taken hold of again. */
  #regaining: Promise<unknown> | undefined;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  settle(delivery: Delivery, verdict: Verdict, durationMs: number): void {
    const item: Settling = {
      delivery,
      verdict,
      durationMs,
      failedAt: new Date(),
      sinceMs: performance.now(),
    };
    if (this.#isPlainAck(verdict)) {
      const queue = this.#acks.get(delivery.stream);
      if (queue) queue.push(item);
      else this.#acks.set(delivery.stream, [item]);
      void this.#flushAcks(delivery.stream);
    } else void this.#settleOne(item);
  }

  /** Acks that bring nothing else with them go out together. */
  #isPlainAck(verdict: Verdict): boolean {
    if (verdict.kind === "duplicate") return true;
    return verdict.kind === "ack" && !this.#parts.settings.dedupe && !verdict.outputs?.length;
  }

  /** Stops repeating: what is not delivered by now stays pending, and is delivered to somebody again. */
  giveUp(): void {
    this.#giveUp.abort();
  }

  async #flushAcks(stream: string): Promise<void> {
    // One call at a time: what comes meanwhile goes with the next.
    if (this.#flushing.has(stream)) return;
    this.#flushing.add(stream);
    const queue = this.#acks.get(stream) ?? [];
    while (queue.length > 0) {
      const batch = queue.splice(0, ACK_BATCH);
      const { connection, settings } = this.#parts;
      await this.#deliver(batch, (items) => {
        const ids = items.map(({ delivery }) => delivery.entry.id);
        return ackOwned(connection, stream, settings, ids, settings.deleteAcked);
      });
    }
    this.#flushing.delete(stream);
  }

  async #settleOne(item: Settling): Promise<void> {
    await this.#deliver([item], async () => [await this.#sendOne(item)]);
  }

  async #sendOne({ delivery, verdict, failedAt, sinceMs }: Settling): Promise<number> {
    const { connection, settings, reclaimer } = this.#parts;
    const { stream, deliveries } = delivery;
    const { id } = delivery.entry;
    const { claimIdleMs, retry } = settings;
    switch (verdict.kind) {
      case "retry": {
        // Measured from the failure, not from when Redis could be told of it.
        const delayMs = Math.max(0, verdict.delayMs - (performance.now() - sinceMs));
        const count = verdict.counted === false ? deliveries - 1 : deliveries;
        reclaimer.remember(stream, id, performance.now() + delayMs, count);
        return requeueOwned(connection, stream, settings, {
          id,
          idleMs: idleForDelayMs(count, delayMs, claimIdleMs, retry),
          deliveries: count,
        });
      }
      case "dead":
        await this.#holdOn(delivery);
        return moveToDeadLetters(connection, settings, delivery, verdict, failedAt);
      case "release":
      case "broken": {
        const counted = verdict.kind === "release" && verdict.counted;
        const count = counted ? deliveries : deliveries - 1;
        reclaimer.remember(stream, id, Number.POSITIVE_INFINITY, count);
        return requeueOwned(connection, stream, settings, {
          id,
          idleMs: takeAfterMs(count, claimIdleMs, retry),
          deliveries: count,
        });
      }
      case "ack":
        return settleSuccess(connection, settings, delivery, verdict.outputs ?? []);
      case "duplicate":
        throw new TypeError("plain acks go out in batches");
    }
  }

  /** Repeats `send` until it is answered, then tells what came of each item. */
  async #deliver(items: readonly Settling[], send: Send): Promise<void> {
    const { observer, onFatal } = this.#parts;
    let replyLost = false;
    for (let attempt = 0; ; attempt++) {
      try {
        const answers = await this.#sendToGroup(items, send);
        for (const [i, item] of items.entries()) this.#done(item, answers[i] ?? Owned.notPending, replyLost);
        return;
      } catch (error) {
        if (isNoGroup(error)) {
          for (const item of items) this.#done(item, Owned.notPending, replyLost);
          return;
        }
        if (!isTransient(error)) {
          onFatal(error);
          return this.#leave(items);
        }
        replyLost ||= error instanceof ConnectionError && error.sent;
        observer.notice("detail", `verdict not delivered yet: ${errorText(error)}`);
        if (!this.#giveUp.signal.aborted) await sleep(reconnectDelayMs(attempt), this.#giveUp.signal);
        if (this.#giveUp.signal.aborted) return this.#leave(items);
      }
    }
  }

  /** Moving to another stream takes several steps; meanwhile the next read would hide that our consumer was deleted. */
  async #holdOn({ stream, entry }: Delivery): Promise<void> {
    const { connection, settings } = this.#parts;
    const [answer] = await keepAlive(connection, stream, settings, [entry.id]);
    if (answer === Owned.regained) this.#regain();
  }

  /**
   * Sends verdicts. When what this worker had was pending no more, because its group or its consumer was
   * deleted, it is made so again, and verdicts that did not find their entry meanwhile are sent once more.
   */
  async #sendToGroup(items: readonly Settling[], send: Send): Promise<number[]> {
    const answers = await this.#sendRestoring(items, send);
    // The first verdict to see it says so; those sent along with it find their entries not pending.
    if (answers.includes(Owned.regained)) this.#regain();
    const regaining = this.#regaining;
    await regaining;
    const astray = items.filter(
      ({ delivery }, i) =>
        answers[i] === Owned.notPending && (regaining !== undefined || delivery.cameAgain === true),
    );
    if (astray.length === 0) return answers;
    const again = await send(astray);
    return items.map((item, i) => again[astray.indexOf(item)] ?? answers[i] ?? Owned.notPending);
  }

  async #sendRestoring(items: readonly Settling[], send: Send): Promise<number[]> {
    try {
      return await send(items);
    } catch (error) {
      if (!isNoGroup(error) || !(await this.#parts.restoreGroups())) throw error;
      return send(items);
    }
  }

  #regain(): void {
    this.#regaining ??= this.#parts
      .restoreGroups()
      .catch(() => {})
      .finally(() => (this.#regaining = undefined));
  }

  /** Entries whose verdicts can't be delivered stay pending as they are: counted, and taken over in time. */
  #leave(items: readonly Settling[]): void {
    for (const { delivery } of items) {
      const { stream, entry, deliveries } = delivery;
      this.#parts.reclaimer.remember(stream, entry.id, Number.POSITIVE_INFINITY, deliveries);
      this.#parts.hands.settled(delivery);
    }
  }

  #done({ delivery, verdict, durationMs }: Settling, answer: number, replyLost: boolean): void {
    const { hands, observer, onFinal } = this.#parts;
    // After a lost reply, "not pending" is what our own success looks like.
    if (answer >= Owned.done || (answer === Owned.notPending && replyLost)) {
      if (verdict.kind === "ack" || verdict.kind === "dead" || verdict.kind === "duplicate")
        onFinal(delivery);
      observer.settled(delivery, verdict, durationMs);
    } else observer.lost(delivery, verdict, answer === Owned.takenByOther ? "another" : "nobody");
    hands.settled(delivery);
  }
}

function isNoGroup(error: unknown): boolean {
  return error instanceof ServerError && error.code === "NOGROUP";
}
