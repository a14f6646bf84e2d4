import type { RetryPolicy } from "./types.ts";

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
