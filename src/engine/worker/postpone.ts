import { durationFlag } from "../../units.ts";
import { takeAfterMs } from "./retries.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerSettings } from "./types.ts";

/** A verdict that leaves the entry for later. */
type Postponed = Extract<Verdict, { readonly kind: "retry" | "snooze" }>;

export function isPostponed(verdict: Verdict): verdict is Postponed {
  return verdict.kind === "retry" || verdict.kind === "snooze";
}

/**
 * The verdict with no longer a delay than the pending list can keep: an entry of so many deliveries may be taken by any
 * worker once it has been idle for takeAfterMs, and no idle time is less than 0. A backoff is never longer than that; a
 * handler may ask for more.
 */
export function keepable(
  verdict: Verdict,
  { deliveries }: Delivery,
  { claimIdleMs, retry }: Pick<WorkerSettings, "claimIdleMs" | "retry">,
  events: Pick<WorkerObserver, "notice">,
): Verdict {
  if (!isPostponed(verdict)) return verdict;
  const count = verdict.counted === false ? deliveries - 1 : deliveries;
  const longestMs = takeAfterMs(count, claimIdleMs, retry);
  if (verdict.delayMs <= longestMs) return verdict;
  // Of an outage, the delay is the worker's own.
  if (verdict.kind === "snooze" || verdict.counted !== false)
    events.notice(
      "warn",
      `a ${verdict.kind} of ${durationFlag(verdict.delayMs)} is cut to ${durationFlag(longestMs)}, which is how long ` +
        "the pending list keeps an entry: --claim-idle says more",
    );
  return { ...verdict, delayMs: longestMs };
}
