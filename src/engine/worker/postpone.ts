import { ServerError } from "../../errors.ts";
import type { StreamKey } from "../../entry/names.ts";
import { isNoGroup, isTransient } from "../../redis/errors.ts";
import type { Owned } from "../../redis/ops/owned.ts";
import { scheduleKeys } from "../../redis/ops/schedule-keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { durationFlag } from "../../units.ts";
import type { InFlightEntry } from "./in-flight.ts";
import { type Retries, takeAfterMs } from "./retries.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerSettings } from "./types.ts";

/** A verdict that leaves the entry for later. */
type Postponed = Extract<Verdict, { readonly kind: "retry" | "snooze" }>;

export function isPostponed(verdict: Verdict): verdict is Postponed {
  return verdict.kind === "retry" || verdict.kind === "snooze";
}

type KeepSettings = Pick<WorkerSettings, "group" | "consumer" | "holders" | "claimIdleMs" | "retry">;

export interface PostponerParts {
  readonly streams: Streams;
  readonly settings: KeepSettings;
  readonly retries: Retries;
  readonly events: Pick<WorkerObserver, "notice">;
}

/**
 * Leaves entries for later: in the pending list for as long as that keeps them, else in the stream's schedule (see
 * redis/ops/put-off.ts). Where a stream can have none, or this user may not write to it, the delay is cut.
 */
export class Postponer {
  readonly #parts: PostponerParts;
  readonly #withoutSchedule = new Set<StreamKey>();

  constructor(parts: PostponerParts) {
    this.#parts = parts;
  }

  /** The verdict as it can be carried out. */
  fit(verdict: Verdict, delivery: Delivery): Verdict {
    const { streams, settings, events } = this.#parts;
    const { stream } = delivery;
    const keys = this.#withoutSchedule.has(stream) ? undefined : scheduleKeys(stream, streams.cluster);
    return keys && isOwnDelay(verdict) ? verdict : keepable(verdict, delivery, settings, events);
  }

  /** One step, which may be repeated. `waitMs`: what is left of the delay. */
  async leave(delivery: InFlightEntry, verdict: Postponed, waitMs: number): Promise<Owned> {
    const { streams, settings, retries, events } = this.#parts;
    const { stream, entry, claim } = delivery;
    const deliveries = countOf(verdict, delivery);
    const keys = scheduleKeys(stream, streams.cluster);
    const long = isOwnDelay(verdict) && waitMs > longestMs(verdict, delivery, settings);
    let leftMs = waitMs;
    if (keys && long && !this.#withoutSchedule.has(stream)) {
      try {
        const { reason } = verdict;
        return await streams.putOff(stream, settings, keys, claim, { delayMs: waitMs, reason, deliveries });
      } catch (error) {
        if (!(error instanceof ServerError) || isTransient(error) || isNoGroup(error)) throw error;
        this.#withoutSchedule.add(stream);
        const cut = keepable(verdict, delivery, settings, events);
        if (isPostponed(cut)) leftMs = Math.min(waitMs, cut.delayMs);
      }
    }
    const idleMs = retries.wait(stream, entry.id, leftMs, deliveries);
    return streams.requeueOwned(stream, settings, claim, { idleMs, deliveries, waitMs: leftMs });
  }
}

/** The handler asked for the delay. Of an outage, it is the worker's own. */
function isOwnDelay(verdict: Verdict): boolean {
  return verdict.kind === "snooze" || (verdict.kind === "retry" && verdict.counted !== false);
}

function countOf(verdict: Postponed, { deliveries }: Delivery): number {
  return verdict.counted === false ? deliveries - 1 : deliveries;
}

/**
 * The longest delay that the pending list can keep: an entry of so many deliveries may be taken by any worker once it has
 * been idle for takeAfterMs, and no idle time is less than 0. A backoff is never longer than that.
 */
function longestMs(
  verdict: Postponed,
  delivery: Delivery,
  { claimIdleMs, retry }: Pick<WorkerSettings, "claimIdleMs" | "retry">,
): number {
  return takeAfterMs(countOf(verdict, delivery), claimIdleMs, retry);
}

/** The verdict with no longer a delay than the pending list can keep. */
export function keepable(
  verdict: Verdict,
  delivery: Delivery,
  settings: Pick<WorkerSettings, "claimIdleMs" | "retry">,
  events: Pick<WorkerObserver, "notice">,
): Verdict {
  if (!isPostponed(verdict)) return verdict;
  const longest = longestMs(verdict, delivery, settings);
  if (verdict.delayMs <= longest) return verdict;
  if (isOwnDelay(verdict))
    events.notice(
      "warn",
      `a ${verdict.kind} of ${durationFlag(verdict.delayMs)} is cut to ${durationFlag(longest)}, which is how long ` +
        "the pending list keeps an entry: without a right to the stream's schedule, --claim-idle says more",
    );
  return { ...verdict, delayMs: longest };
}
