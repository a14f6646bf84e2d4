import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { InFlight } from "./in-flight.ts";
import type { RetryPolicy, WorkerSettings } from "./types.ts";

const MARGIN_MS = 2;

/** Retries of its own that a worker remembers; beyond that the sweeps find them. */
const REMEMBERED = 100_000;

/**
 * A worker takes its own retries when they are due, others take them so much later: what is not pending when it comes
 * due was not taken by them. It was acked by hand, or Redis has thrown it away.
 */
const GRACE_MS = 250;

/** Some retry that others can't have taken yet, and when it was last known to be pending (of performance.now()). */
export interface Waiting {
  readonly id: EntryId;
  readonly since: number;
}

export type RetrySettings = Pick<WorkerSettings, "consumerIsUnique" | "claimIdleMs" | "retry">;

/** Times by performance.now(): the machine's own clock may be set while this runs. */
interface Retry {
  /** When it comes due; Infinity: it is left to others. */
  readonly at: number;
  /** When others may take it. */
  readonly othersAt: number;
  readonly deliveries: number;
  /** When it was last known to be pending. */
  since: number;
}

/**
 * What a worker has left pending, by stream and ID: retries, and what it handed back. What is pending under its name
 * and not remembered here was lost on the way to it.
 */
export class Retries {
  readonly #settings: RetrySettings;
  readonly #inFlight: InFlight;
  readonly #graceMs: number;
  readonly #retries = new Map<StreamKey, Map<EntryId, Retry>>();
  #nextAt = Number.POSITIVE_INFINITY;
  /** Some are not remembered: they can't be told from what was given to this worker. */
  #forgetful = false;
  #mayHaveStrays = false;

  constructor(settings: RetrySettings, inFlight: InFlight) {
    this.#settings = settings;
    this.#inFlight = inFlight;
    this.#graceMs = settings.consumerIsUnique ? GRACE_MS : 0;
  }

  /**
   * A reply that may have carried entries was lost: they are pending under this consumer, and not remembered. A name that
   * others may have says nothing of what is pending under it.
   */
  replyLost(): void {
    this.#mayHaveStrays = this.#settings.consumerIsUnique;
  }

  /** What came in lost replies has been looked for, and nothing is left of it. */
  straysTaken(): void {
    this.#mayHaveStrays = false;
  }

  get mayHaveStrays(): boolean {
    return this.#mayHaveStrays;
  }

  /** When the first of them comes due. */
  get nextAt(): number {
    return this.#nextAt;
  }

  get forgetful(): boolean {
    return this.#forgetful;
  }

  /** Remembers a retry; gives the idle time to set, by which it comes due in the pending list. */
  wait(stream: StreamKey, id: EntryId, delayMs: number, deliveries: number): number {
    const { claimIdleMs, retry } = this.#settings;
    const now = performance.now();
    const idleMs = idleForDelayMs(deliveries, delayMs + this.#graceMs, claimIdleMs, retry);
    const othersAt = now + takeAfterMs(deliveries, claimIdleMs, retry) - idleMs;
    // The server's clock and this one tick apart: a look that comes a moment too early would be in vain.
    this.#set(stream, id, { at: now + delayMs + MARGIN_MS, othersAt, deliveries, since: now });
    return idleMs;
  }

  /** A retry that is pending as it should be, but comes due later than was thought. */
  waitOn(stream: StreamKey, id: EntryId, leftMs: number, othersMs: number, deliveries: number): void {
    const now = performance.now();
    this.#set(stream, id, { at: now + leftMs, othersAt: now + othersMs, deliveries, since: now });
  }

  /** Remembers that an entry is left to others. */
  leave(stream: StreamKey, id: EntryId, deliveries: number): void {
    const now = performance.now();
    this.#set(stream, id, { at: Number.POSITIVE_INFINITY, othersAt: now, deliveries, since: now });
  }

  get(stream: StreamKey, id: EntryId): Readonly<Retry> | undefined {
    return this.#retries.get(stream)?.get(id);
  }

  forget(stream: StreamKey, id: EntryId): void {
    this.#retries.get(stream)?.delete(id);
  }

  /** A stream is read no longer. */
  left(stream: StreamKey): void {
    this.#retries.delete(stream);
    this.schedule();
  }

  /** Up to `limit` that are due. */
  due(stream: StreamKey, now: number, limit: number): EntryId[] {
    const due: EntryId[] = [];
    for (const [id, { at }] of this.#retries.get(stream) ?? []) {
      if (due.length >= limit) break;
      // Until its retry is written down the entry is still in flight, and must not be forgotten here.
      if (at <= now && !this.#inFlight.has(stream, id)) due.push(id);
    }
    return due;
  }

  /** Up to `limit` that others may have taken by now: those first that were seen to be pending longest ago. */
  overdue(stream: StreamKey, limit: number): EntryId[] {
    const now = performance.now();
    const ids: EntryId[] = [];
    for (const [id, { at, othersAt }] of this.#retries.get(stream) ?? []) {
      if (ids.length >= limit) break;
      if (othersAt <= now && Number.isFinite(at) && !this.#inFlight.has(stream, id)) ids.push(id);
    }
    return ids;
  }

  /** It was seen to be pending. */
  seen(stream: StreamKey, id: EntryId): void {
    const retry = this.#retries.get(stream)?.get(id);
    if (retry) this.#set(stream, id, { ...retry, since: performance.now() });
  }

  /** Looks anew for when the first of them comes due, of streams that retries may be taken from. */
  schedule(mayTake: (stream: StreamKey) => boolean = () => true): void {
    this.#nextAt = Number.POSITIVE_INFINITY;
    for (const [stream, retries] of this.#retries)
      for (const { at } of mayTake(stream) ? retries.values() : []) this.#nextAt = Math.min(this.#nextAt, at);
  }

  /** How they stand in the pending list, for when that is lost. */
  held(stream: StreamKey): Held[] {
    const { claimIdleMs, retry } = this.#settings;
    const now = performance.now();
    return [...(this.#retries.get(stream) ?? [])].map(([id, { at, deliveries, since }]) => ({
      id,
      idleMs: Number.isFinite(at)
        ? idleForDelayMs(deliveries, Math.max(0, at - now) + this.#graceMs, claimIdleMs, retry)
        : takeAfterMs(deliveries, claimIdleMs, retry),
      deliveries,
      silentMs: now - since,
    }));
  }

  /** What was thrown away is pending again, by a step that was answered then. */
  noteRestored(stream: StreamKey, at: number): void {
    for (const retry of this.#retries.get(stream)?.values() ?? []) retry.since = at;
  }

  /** A retry that no other can have taken yet: that it is pending proves that nothing was thrown away. */
  waiting(stream: StreamKey): Waiting | undefined {
    const now = performance.now();
    for (const [id, { at, othersAt, since }] of this.#retries.get(stream) ?? []) {
      if (othersAt > now && Number.isFinite(at) && !this.#inFlight.has(stream, id)) return { id, since };
    }
    return undefined;
  }

  #set(stream: StreamKey, id: EntryId, retry: Retry): void {
    let ofStream = this.#retries.get(stream);
    if (!ofStream) this.#retries.set(stream, (ofStream = new Map<EntryId, Retry>()));
    if (ofStream.size >= REMEMBERED) {
      this.#forgetful = true;
      return;
    }
    // Those that were last seen to be pending longest ago come first.
    ofStream.delete(id);
    ofStream.set(id, retry);
    this.#nextAt = Math.min(this.#nextAt, retry.at);
  }
}

export type RetryDelays = Pick<RetryPolicy, "delayMs" | "maxDelayMs">;

const LONGEST_MS = 300_000;

/** The delays of a worker that was told one or both of them. */
export function retryDelays(delayMs: number, maxDelayMs = Math.max(delayMs, LONGEST_MS)): RetryDelays {
  return { delayMs, maxDelayMs };
}

/**
 * Backoff is kept in Redis, in what the pending list has anyway: the delivery count and the idle time.
 *
 * An entry whose k-th delivery has not been settled may be taken by anyone once it has been idle for
 * takeAfterMs(k). A live worker keeps the idle time near zero, so that time passes only for a dead one. A
 * worker whose handler failed instead sets the idle time so far ahead that just the delay is left. The
 * take script (redis/ops/lua/taking.ts) computes the same threshold.
 */
export function takeAfterMs(deliveries: number, claimIdleMs: number, policy: RetryDelays): number {
  return Math.max(claimIdleMs, longestDelayMs(deliveries, policy));
}

/** The delay after the k-th delivery before jitter: doubles from `delayMs`, up to `maxDelayMs`. */
export function longestDelayMs(deliveries: number, policy: RetryDelays): number {
  return Math.min(policy.maxDelayMs, policy.delayMs * 2 ** (Math.max(1, deliveries) - 1));
}

/** The delay to use: between half of the longest and all of it, so that a burst of failures spreads out. */
export function retryDelayMs(
  deliveries: number,
  policy: RetryDelays,
  random: () => number = Math.random,
): number {
  return Math.round(longestDelayMs(deliveries, policy) * (0.5 + random() / 2));
}

/** The idle time to set so that the entry may be taken `delayMs` from now. */
export function idleForDelayMs(
  deliveries: number,
  delayMs: number,
  claimIdleMs: number,
  policy: RetryDelays,
): number {
  return Math.max(0, Math.round(takeAfterMs(deliveries, claimIdleMs, policy) - delayMs));
}
