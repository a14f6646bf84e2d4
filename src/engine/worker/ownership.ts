import type { StreamKey } from "../../entry/names.ts";
import { type Instant, msSince, now } from "../../lib/instant.ts";
import { isNoGroup } from "../../redis/errors.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Silent } from "../../redis/ops/holders.ts";
import { type Claim, isGone, type Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Continuities, Restorer } from "./restore.ts";
import { type InFlight, type InFlightEntry, noteLost, noteOrphaned, noteOwned } from "./in-flight.ts";
import type { Retries, Waiting } from "./retries.ts";
import { type Delivery, leavesPending, type Verdict, type WorkerSettings } from "./types.ts";

/** So many IDs a script call: a fraction of a millisecond of the server's time. */
const BATCH = 200;
/** Heartbeats come three times in --claim-idle; what had none for two of them is asked for before it is acted on. */
export const SURE_SHARE = 2 / 3;

/** Times by performance.now(): when this worker last got something, and asked for it. */
interface Standing {
  readonly gotAt: number;
  readonly askedAt: number;
}

interface SentVerdict {
  readonly delivery: InFlightEntry;
  readonly verdict: Verdict;
}

export interface OwnershipParts {
  readonly streams: Streams;
  readonly settings: Member & Pick<WorkerSettings, "streams" | "claimIdleMs" | "tellsInactive">;
  readonly inFlight: InFlight;
  readonly retries: Retries;
  readonly continuities: Continuities;
  readonly restorer: Restorer;
}

/**
 * What this worker knows of its hold on what was delivered to it: since when Redis has not said so, what others
 * have taken, and what Redis has thrown away, which is then made pending again.
 */
export class Ownership {
  readonly #parts: OwnershipParts;
  #reading = Promise.resolve();
  readonly #unanswered = new Set<Promise<unknown>>();

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  /** A step that reads, over a connection of its own; it ends when what it brought is in flight. */
  async reads<T>(step: (askedAt: Instant) => Promise<T>): Promise<T> {
    await Promise.all(this.#unanswered);
    const reading = step(this.#parts.inFlight.asks());
    this.#reading = reading.then(
      () => {},
      () => {},
    );
    return reading;
  }

  /**
   * A verdict that leaves its entry pending was sent; to be told how that ended. Before 7.2, a read that came to Redis
   * before it would leave no way to tell a consumer that was deleted from an entry that was acked by hand.
   */
  holdReads(answer: Promise<unknown>): void {
    if (this.#parts.settings.tellsInactive) return;
    const ended: Promise<unknown> = answer.catch(() => {}).finally(() => this.#unanswered.delete(ended));
    this.#unanswered.add(ended);
  }

  /**
   * Resolves when no read is under way that was when this was called. What it has brought may make a consumer anew that
   * was deleted, before its reply arrives here.
   */
  readEnded(): Promise<void> {
    return this.#reading;
  }

  /** Deliveries of one step have come. Gives the time. */
  got(deliveries: readonly Delivery[]): number {
    const at = performance.now();
    for (const { stream } of deliveries) this.#parts.continuities.of(stream).got(at);
    return at;
  }

  /** An entry was pending for this worker when its verdict came, which was sent then. */
  stillHad(delivery: InFlightEntry, sentAt: number): void {
    this.#parts.continuities.of(delivery.stream).stillHad(delivery.gotAt, sentAt);
  }

  /** Whether no other can have taken it yet. Asks only this machine's clocks, so it holds for this very moment. */
  isSure({ ownedAt, orphaned, lost }: InFlightEntry): boolean {
    if (lost) return false;
    if (orphaned) return true;
    return msSince(ownedAt) < SURE_SHARE * this.#parts.settings.claimIdleMs;
  }

  /**
   * Asks Redis for entries about which this worker is not sure; gives those that are still its own. What waits to be run
   * after them is asked for, too: they may be many, and each would take as long.
   */
  async confirm(deliveries: readonly InFlightEntry[]): Promise<InFlightEntry[]> {
    const asked = new Set(deliveries);
    const unsure = deliveries.filter((delivery) => !this.isSure(delivery));
    for (const stream of new Set(unsure.map((delivery) => delivery.stream))) {
      const all = [...this.#parts.inFlight.of(stream)];
      const gone = await this.beat(
        stream,
        all.filter((entry) => (asked.has(entry) || entry.state === "waiting") && !this.isSure(entry)),
      );
      if (gone.length === 0) continue;
      await this.readEnded();
      const still = await this.beat(stream, gone);
      for (const delivery of still) noteLost(delivery);
    }
    return deliveries.filter(({ lost }) => !lost);
  }

  /**
   * A heartbeat: keeps entries from being taken over and notes what became of them. Gives those that are not
   * pending any more; what was thrown away is pending again by then.
   */
  async beat(stream: StreamKey, deliveries: readonly InFlightEntry[]): Promise<InFlightEntry[]> {
    const gone: InFlightEntry[] = [];
    let sign: Owned = "notPending";
    for (let at = 0; at < deliveries.length; at += BATCH) {
      const beat = await this.#ask(stream, deliveries.slice(at, at + BATCH));
      gone.push(...beat.gone);
      if (beat.gone.length > 0) sign = beat.sign;
    }
    if (gone.length > 0) await this.regain(stream, gone, sign);
    return gone;
  }

  #standing(stream: StreamKey): Standing {
    return {
      gotAt: this.#parts.continuities.of(stream).gotAt,
      askedAt: this.#parts.inFlight.askedAt,
    };
  }

  /**
   * Entries were not pending when that was asked. True when they were thrown away and are pending again: verdicts may
   * be sent once more. `sign`: what the answer said of the consumer, one of `Owned`. To be called after the answer: a read
   * that was asked for after the question may have come to Redis before it. `asks`: whether another has taken or settled
   * them is asked also where none could have taken them in time: by hand they are.
   */
  async regain(
    stream: StreamKey,
    gone: readonly InFlightEntry[],
    sign: Owned,
    asks = false,
  ): Promise<boolean> {
    const standing = this.#standing(stream);
    const continuity = this.#parts.continuities.of(stream);
    if (gone.some(({ ownedAt }) => continuity.brokenSince(ownedAt.steady)))
      return this.#parts.restorer.restore(stream);
    const untaken = await this.#untaken(stream, gone, asks);
    // That the consumer has got this very entry is no sign; what it got after that may be.
    const sinces = untaken.map(({ ownedAt, gotAt }) => Math.max(ownedAt.steady, gotAt));
    if (sinces.length === 0 || !(await this.#isThrownAway(stream, sinces, sign, standing))) return false;
    return this.#parts.restorer.restore(stream);
  }

  /**
   * A retry was not pending when that was asked. True when it is now. `sure`: no other can have taken it by then. If one
   * can, only what else is gone tells that it was thrown away.
   */
  async regainRetry(stream: StreamKey, { id, since }: Waiting, sure: boolean): Promise<boolean> {
    const continuity = this.#parts.continuities.of(stream);
    if (continuity.brokenSince(since)) return this.#parts.restorer.restore(stream);
    const standing = this.#standing(stream);
    const { streams, settings } = this.#parts;
    const holders = settings.holders?.(stream);
    if (holders !== undefined) {
      const ask = (): Promise<Owned | "settled"> => streams.fateOfRetry(stream, settings, holders, id);
      const fate = await this.#inGroup(stream, ask);
      if (fate === "settled") return false;
      if (!isGone(fate)) return true;
      return (
        (await this.#isThrownAway(stream, [since], fate, standing)) && this.#parts.restorer.restore(stream)
      );
    }
    // Of an entry that is not pending nothing else comes of it.
    const [sign = "notPending"] = await this.#keepAlive(stream, [{ id, fence: -1 }]);
    // Another step has made it pending again.
    if (!isGone(sign)) return true;
    if (sure || sign === "thrownAway")
      return (
        (await this.#isThrownAway(stream, [since], sign, standing)) && this.#parts.restorer.restore(stream)
      );
    await this.beat(stream, [...this.#parts.inFlight.of(stream)]);
    if (continuity.brokenSince(since)) return true;
    const missed = await this.#lookAtWaiting(stream);
    return missed !== undefined && this.regainRetry(stream, missed, true);
  }

  /**
   * Before a read that may take long: whether what waits for its retry has been thrown away. What is deleted while the
   * read lasts then shows by the consumer's absence; after the next one it would not.
   */
  async checkWaiting(): Promise<void> {
    for (const stream of this.#parts.settings.streams) {
      const missed = await this.#lookAtWaiting(stream);
      if (missed) await this.regainRetry(stream, missed, true);
    }
  }

  /**
   * Of entries that were not pending when their verdicts were sent again, after a lost reply, those for which the first
   * sending did nothing: no take and no verdict is noted since, nor what a verdict that leaves its entry pending writes.
   */
  async undone<Sent extends SentVerdict>(stream: StreamKey, gone: readonly Sent[]): Promise<Sent[]> {
    const { streams, settings } = this.#parts;
    const holders = settings.holders?.(stream);
    if (holders === undefined || gone.length === 0) return [];
    const noted = await streams.takenSince(
      holders,
      gone.map(({ delivery }) => asSilent(delivery)),
    );
    const left = gone.filter((_, i) => noted[i] === "untaken");
    if (left.length === 0) return [];
    const named = await streams.named(
      holders,
      left.map(({ delivery }) => delivery.entry.id),
    );
    return left.filter(({ verdict }, i) => !(leavesPending(verdict) && named[i] === true));
  }

  /**
   * Without those that another worker may have taken, and settled, after a long silence of this one; with `all`, also
   * without others that are known to have been taken.
   */
  async #untaken(stream: StreamKey, gone: readonly InFlightEntry[], all: boolean): Promise<InFlightEntry[]> {
    const { streams, settings } = this.#parts;
    const wasSilent = ({ ownedAt }: InFlightEntry): boolean => msSince(ownedAt) >= settings.claimIdleMs;
    const silent = new Set(gone.filter(wasSilent));
    const asked = all ? gone : [...silent];
    const holders = settings.holders?.(stream);
    const noted =
      holders === undefined || asked.length === 0
        ? []
        : await streams.takenSince(holders, asked.map(asSilent));
    const taken = new Map(asked.map((entry, i) => [entry, noted[i] ?? "forgotten"]));
    return gone.filter((entry) => {
      const fate = taken.get(entry) ?? "untaken";
      return fate === "untaken" || (fate === "forgotten" && !silent.has(entry));
    });
  }

  /** Whether what was last known to be pending at one of these times was thrown away, and not acked by hand. */
  async #isThrownAway(
    stream: StreamKey,
    sinces: readonly number[],
    sign: Owned,
    standing: Standing,
  ): Promise<boolean> {
    if (sign === "thrownAway") return true;
    if (await this.#mayBeThrownAway(stream, sinces, sign, standing)) return true;
    // Last of all: what others have restored in the meantime has passed for proof.
    return this.#parts.restorer.lostSince(stream);
  }

  async #mayBeThrownAway(
    stream: StreamKey,
    sinces: readonly number[],
    sign: Owned,
    { gotAt: lastGotAt, askedAt }: Standing,
  ): Promise<boolean> {
    const continuity = this.#parts.continuities.of(stream);
    // Before 7.2 a consumer that has only asked looks like one that has got something. A read that waits makes a deleted
    // consumer anew when it gets something, long after it was asked for.
    const gotAt = sign === "perhapsThrownAway" ? Math.max(askedAt, lastGotAt) : lastGotAt;
    const maybe = (): boolean => sinces.some((since) => continuity.mayHaveBroken(since, gotAt));
    if (!maybe()) return false;
    // What else it has may prove that the consumer has been there all the time.
    await this.#ask(stream, [...this.#parts.inFlight.of(stream)].slice(0, BATCH));
    if (maybe()) await this.#lookAtWaiting(stream);
    return maybe();
  }

  /** Gives the retry that it looked at when that is not pending. */
  async #lookAtWaiting(stream: StreamKey): Promise<Waiting | undefined> {
    const { streams, settings } = this.#parts;
    const retry = this.#parts.retries.waiting(stream);
    if (!retry) return undefined;
    const sentAt = performance.now();
    const [row] = await streams.pendingPage(stream, settings.group, retry.id, 1);
    if (row?.id !== retry.id) return retry;
    if (row.consumer === settings.consumer) this.#parts.continuities.of(stream).stillHad(retry.since, sentAt);
    return undefined;
  }

  async #ask(
    stream: StreamKey,
    deliveries: readonly InFlightEntry[],
  ): Promise<{ readonly gone: InFlightEntry[]; readonly sign: Owned }> {
    const askable = deliveries.filter(({ orphaned, lost, leaves }) => !orphaned && !lost && !leaves);
    const gone: InFlightEntry[] = [];
    let sign: Owned = "notPending";
    if (askable.length === 0) return { gone, sign };
    const sentAt = now();
    const answers = await this.#keepAlive(
      stream,
      askable.map(({ claim }) => claim),
    );
    for (const [i, delivery] of askable.entries()) {
      const answer = answers[i] ?? "notPending";
      if (isGone(answer)) {
        // One whose verdict is on its way may have been settled by it.
        if (delivery.verdictSent) continue;
        sign = answer;
        gone.push(delivery);
      } else if (answer === "takenByOther") noteLost(delivery);
      else {
        if (answer === "orphaned") noteOrphaned(delivery);
        noteOwned(delivery, sentAt);
        this.stillHad(delivery, sentAt.steady);
      }
    }
    return { gone, sign };
  }

  async #keepAlive(stream: StreamKey, claims: readonly Claim[]): Promise<Owned[]> {
    const { streams, settings } = this.#parts;
    return this.#inGroup(stream, () => streams.keepAlive(stream, settings, claims));
  }

  /** A group that has gone is made again by whichever step meets that first. */
  async #inGroup<T>(stream: StreamKey, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!isNoGroup(error) || !(await this.#parts.restorer.restore(stream, true))) throw error;
      return step();
    }
  }
}

function asSilent({ entry, fence, ownedAt }: InFlightEntry): Silent {
  return { id: entry.id, deliveries: fence, silentMs: msSince(ownedAt) };
}
