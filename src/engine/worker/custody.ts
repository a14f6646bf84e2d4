import { type Instant, msSince, now } from "../../lib/instant.ts";
import { isNoGroup } from "../../redis/errors.ts";
import { type Claim, isGone, NO_FENCE, type Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { Continuity } from "./continuity.ts";
import type { Hands } from "./hands.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** So many IDs a script call: a fraction of a millisecond of the server's time. */
const BATCH = 200;
/** Heartbeats come three times in --claim-idle; what had none for two of them is asked for before it is acted on. */
export const SURE_SHARE = 2 / 3;

/** Times by performance.now(): the present one, and when this worker last got something, and asked for it. */
export interface Standing {
  readonly at: number;
  readonly gotAt: number;
  readonly askedAt: number;
}

/** Some retry that others can't have taken yet, and when it was last known to be pending. */
export interface Waiting {
  readonly id: string;
  readonly since: number;
}

export interface CustodyParts {
  readonly streams: Streams;
  readonly settings: WorkerSettings;
  readonly hands: Hands;
  readonly waiting: (stream: string) => Waiting | undefined;
  /**
   * Makes pending again all that this worker knows of; `vanished`: first the group. False when the worker is stopping,
   * and the group has gone.
   */
  readonly restore: (stream: string, vanished: boolean) => Promise<boolean>;
}

/** The token of a take, as redis/ops/owned.ts has it. */
export function claimOf(delivery: Delivery, settings: WorkerSettings): Claim {
  const fence = settings.consumerIsUnique ? NO_FENCE : (delivery.fence ?? delivery.deliveries);
  return { id: delivery.entry.id, fence };
}

/**
 * What this worker knows of its hold on what was delivered to it: since when Redis has not said so, what others
 * have taken, and what Redis has thrown away, which is then made pending again.
 */
export class Custody {
  readonly #parts: CustodyParts;
  readonly #continuity = new Map<string, Continuity>();
  readonly #restores = new Map<string, Restores>();
  /** Per stream, what the holders said of this consumer when all that it has was restored last. */
  readonly #losses = new Map<string, string | undefined>();
  readonly #gotAt = new WeakMap<Delivery, number>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #reading = Promise.resolve();
  readonly #unanswered = new Set<Promise<unknown>>();

  constructor(parts: CustodyParts) {
    this.#parts = parts;
  }

  /** Redis is about to be asked for entries, which makes a consumer that was deleted anew. Gives the time. */
  asks(): Instant {
    const askedAt = now();
    this.#askedAt = askedAt.steady;
    return askedAt;
  }

  /** A step that reads, over a connection of its own; it ends when what it brought has come into this worker's hands. */
  async reads<T>(step: (askedAt: Instant) => Promise<T>): Promise<T> {
    await Promise.all(this.#unanswered);
    const reading = step(this.asks());
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

  /** Deliveries of one step come into this worker's hands, which Redis was asked for then. */
  got(deliveries: readonly Delivery[], askedAt: Instant): void {
    const at = performance.now();
    for (const delivery of deliveries) {
      delivery.ownedAt = askedAt;
      this.#gotAt.set(delivery, at);
      this.#of(delivery.stream).got(at);
    }
  }

  /** An entry was pending for this worker when its verdict came, which was sent then. */
  stillHad(delivery: Delivery, sentAt: number): void {
    this.#of(delivery.stream).stillHad(this.#gotAt.get(delivery) ?? sentAt, sentAt);
  }

  /** Whether no other can have taken it yet. Asks only this machine's clocks, so it holds for this very moment. */
  isSure({ ownedAt, orphaned }: Delivery): boolean {
    if (orphaned) return true;
    return ownedAt !== undefined && msSince(ownedAt) < SURE_SHARE * this.#parts.settings.claimIdleMs;
  }

  /** Asks Redis for entries about which this worker is not sure; gives those that are still its own. */
  async confirm(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const unsure = deliveries.filter((delivery) => !this.isSure(delivery));
    for (const stream of new Set(unsure.map((delivery) => delivery.stream))) {
      const gone = await this.beat(
        stream,
        unsure.filter((delivery) => delivery.stream === stream),
      );
      const still = gone.length === 0 ? [] : await this.beat(stream, gone);
      for (const delivery of still) delivery.lost = true;
    }
    return deliveries.filter(({ lost }) => !lost);
  }

  /**
   * A heartbeat: keeps entries from being taken over and notes what became of them. Gives those that are not
   * pending any more; what was thrown away is pending again by then.
   */
  async beat(stream: string, deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const before = this.standing(stream);
    const gone: Delivery[] = [];
    let sign: Owned = "notPending";
    for (let at = 0; at < deliveries.length; at += BATCH) {
      const beat = await this.#ask(stream, deliveries.slice(at, at + BATCH));
      gone.push(...beat.gone);
      if (beat.gone.length > 0) sign = beat.sign;
    }
    if (gone.length > 0) await this.regain(stream, gone, sign, before);
    return gone;
  }

  /** How things are before a question is sent to Redis whose answer may be that an entry is gone. */
  standing(stream: string): Standing {
    return { at: performance.now(), gotAt: this.#of(stream).gotAt, askedAt: this.#askedAt };
  }

  /**
   * Entries were not pending when that was asked. True when they were thrown away and are pending again: verdicts may
   * be sent once more. `sign`: what the answer said of the consumer, one of `Owned`.
   */
  async regain(stream: string, gone: readonly Delivery[], sign: Owned, before: Standing): Promise<boolean> {
    const continuity = this.#of(stream);
    const sinces: number[] = [];
    for (const delivery of gone) {
      const { ownedAt } = delivery;
      if (ownedAt === undefined) continue;
      if (continuity.brokenSince(ownedAt.steady)) return this.restore(stream);
      // That the consumer has got this very entry is no sign; what it got after that may be.
      const since = Math.max(ownedAt.steady, this.#gotAt.get(delivery) ?? 0);
      // After so long a silence another worker has taken and settled it, if it was not thrown away before.
      if (msSince(ownedAt) < this.#parts.settings.claimIdleMs) sinces.push(since);
    }
    if (sinces.length === 0 || !(await this.#isThrownAway(stream, sinces, sign, before))) return false;
    return this.restore(stream);
  }

  /**
   * A retry was not pending when that was asked. True when it is now. `sure`: no other can have taken it by then. If one
   * can, only what else is gone tells that it was thrown away.
   */
  async regainRetry(stream: string, { id, since }: Waiting, sure: boolean): Promise<boolean> {
    const continuity = this.#of(stream);
    if (continuity.brokenSince(since)) return this.restore(stream);
    const before = this.standing(stream);
    const { streams, settings } = this.#parts;
    const holders = settings.holders?.(stream);
    if (holders !== undefined) {
      const ask = (): Promise<Owned | "settled"> => streams.fateOfRetry(stream, settings, holders, id);
      const fate = await this.#inGroup(stream, ask);
      if (fate === "settled") return false;
      if (!isGone(fate)) return true;
      return (await this.#isThrownAway(stream, [since], fate, before)) && this.restore(stream);
    }
    // Of an entry that is not pending nothing else comes of it.
    const [sign = "notPending"] = await this.#keepAlive(stream, [{ id, fence: -1 }]);
    // Another step has made it pending again.
    if (!isGone(sign)) return true;
    if (sure || sign === "thrownAway")
      return (await this.#isThrownAway(stream, [since], sign, before)) && this.restore(stream);
    await this.beat(stream, [...this.#parts.hands.of(stream)]);
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
   * Makes pending again all that this worker has of the stream. `vanished`: its group was not there, and is made first,
   * or moved on when another has made it; only then, because somebody may have set it back. False when the worker is
   * stopping, and the group has gone.
   */
  restore(stream: string, vanished = false): Promise<boolean> {
    let restores = this.#restores.get(stream);
    if (!restores) {
      restores = new Restores(async (gone) => {
        const loss = await this.#lossOf(stream);
        const restored = await this.#parts.restore(stream, gone);
        this.#losses.set(stream, loss);
        return restored;
      });
      this.#restores.set(stream, restores);
    }
    return restores.another(vanished);
  }

  /** Resolves when nothing of the stream is being made pending again. */
  async restored(stream: string): Promise<void> {
    await this.#restores.get(stream)?.ended();
  }

  /** All that this worker has of the stream was made pending again, by a step that was answered then. */
  noteRestored(stream: string, at: number): void {
    this.#of(stream).broke(at);
  }

  /** Whether what was last known to be pending at one of these times was thrown away, and not acked by hand. */
  async #isThrownAway(
    stream: string,
    sinces: readonly number[],
    sign: Owned,
    before: Standing,
  ): Promise<boolean> {
    if (sign === "thrownAway") return true;
    if (await this.#mayBeThrownAway(stream, sinces, sign, before)) return true;
    // Last of all: what others have restored in the meantime has passed for proof.
    return (await this.#lossOf(stream)) !== this.#losses.get(stream);
  }

  async #lossOf(stream: string): Promise<string | undefined> {
    const { streams, settings } = this.#parts;
    const holders = settings.holders?.(stream);
    return holders === undefined ? undefined : streams.lossOf(settings, holders);
  }

  async #mayBeThrownAway(
    stream: string,
    sinces: readonly number[],
    sign: Owned,
    before: Standing,
  ): Promise<boolean> {
    const continuity = this.#of(stream);
    // Before 7.2 a consumer that has only asked looks like one that has got something.
    const gotAt = sign === "perhapsThrownAway" ? before.askedAt : before.gotAt;
    const maybe = (): boolean => sinces.some((since) => continuity.mayHaveBroken(since, gotAt));
    if (!maybe()) return false;
    // What else it has may prove that the consumer has been there all the time.
    await this.#ask(stream, [...this.#parts.hands.of(stream)].slice(0, BATCH));
    if (maybe()) await this.#lookAtWaiting(stream);
    return maybe();
  }

  /** Gives the retry that it looked at when that is not pending. */
  async #lookAtWaiting(stream: string): Promise<Waiting | undefined> {
    const { streams, settings } = this.#parts;
    const retry = this.#parts.waiting(stream);
    if (!retry) return undefined;
    const sentAt = performance.now();
    const [row] = await streams.pendingPage(stream, settings.group, retry.id, 1);
    if (row?.id !== retry.id) return retry;
    if (row.consumer === settings.consumer) this.#of(stream).stillHad(retry.since, sentAt);
    return undefined;
  }

  async #ask(
    stream: string,
    deliveries: readonly Delivery[],
  ): Promise<{ readonly gone: Delivery[]; readonly sign: Owned }> {
    const { settings } = this.#parts;
    const askable = deliveries.filter(({ orphaned, lost }) => !orphaned && !lost);
    const gone: Delivery[] = [];
    let sign: Owned = "notPending";
    if (askable.length === 0) return { gone, sign };
    const sentAt = now();
    const answers = await this.#keepAlive(
      stream,
      askable.map((delivery) => claimOf(delivery, settings)),
    );
    for (const [i, delivery] of askable.entries()) {
      const answer = answers[i] ?? "notPending";
      if (isGone(answer)) {
        // One whose verdict is on its way may have been settled by it.
        if (delivery.verdictSent) continue;
        sign = answer;
        gone.push(delivery);
      } else if (answer === "takenByOther") delivery.lost = true;
      else {
        if (answer === "orphaned") delivery.orphaned = true;
        delivery.ownedAt = sentAt;
        this.stillHad(delivery, sentAt.steady);
      }
    }
    return { gone, sign };
  }

  async #keepAlive(stream: string, claims: readonly Claim[]): Promise<Owned[]> {
    const { streams, settings } = this.#parts;
    return this.#inGroup(stream, () => streams.keepAlive(stream, settings, claims));
  }

  /** A group that has gone is made again by whichever step meets that first. */
  async #inGroup<T>(stream: string, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!isNoGroup(error) || !(await this.restore(stream, true))) throw error;
      return step();
    }
  }

  #of(stream: string): Continuity {
    let continuity = this.#continuity.get(stream);
    if (!continuity) this.#continuity.set(stream, (continuity = new Continuity()));
    return continuity;
  }
}

/** One step at a time; those who ask while one is under way share the next: it knows what they know. */
class Restores {
  readonly #step: (vanished: boolean) => Promise<boolean>;
  #underWay: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #nextVanished = false;

  constructor(step: (vanished: boolean) => Promise<boolean>) {
    this.#step = step;
  }

  another(vanished: boolean): Promise<boolean> {
    if (this.#underWay === undefined) return this.#begin(vanished);
    this.#nextVanished ||= vanished;
    this.#next ??= this.#underWay
      .catch(() => false)
      .then(() => {
        const gone = this.#nextVanished;
        this.#next = undefined;
        this.#nextVanished = false;
        return this.#begin(gone);
      });
    return this.#next;
  }

  /** Resolves when no step is under way. */
  async ended(): Promise<void> {
    while (this.#underWay) await this.#underWay.catch(() => false);
  }

  #begin(vanished: boolean): Promise<boolean> {
    this.#underWay = this.#step(vanished).finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }
}
