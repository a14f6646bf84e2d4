import { longestDelayMs } from "./backoff.ts";
import type { RetryPolicy, Verdict, WorkerObserver } from "./types.ts";

/**
 * Tells an outage behind the handler from bad entries: after so many failures in a row nothing is taken
 * any more but one entry at a time, as a probe, until one succeeds. Failures during the outage are not
 * counted against their entries, so that a healthy stream does not end up dead-lettered.
 */
export class OutageGuard {
  readonly #threshold: number | undefined;
  readonly #policy: RetryPolicy;
  readonly #events: Pick<WorkerObserver, "notice">;
  #inARow = 0;
  #probes = 0;
  #probeAt = 0;

  constructor(threshold: number | undefined, policy: RetryPolicy, events: Pick<WorkerObserver, "notice">) {
    this.#threshold = threshold;
    this.#policy = policy;
    this.#events = events;
  }

  get paused(): boolean {
    return this.#threshold !== undefined && this.#inARow >= this.#threshold;
  }

  /** How many of `places` may be used now; while paused one, when nothing runs and a probe is due. */
  allow(places: number, running: number, now: number): number {
    if (!this.paused) return places;
    return running === 0 && now >= this.#probeAt ? Math.min(1, places) : 0;
  }

  /** How long until a probe is due; undefined when the guard waits for nothing. */
  waitMs(now: number): number | undefined {
    return this.paused ? Math.max(1, this.#probeAt - now) : undefined;
  }

  /** Looks at a run's verdict and gives the one to deliver. `failed`: whether the run failed in a way that may pass. */
  pass(verdict: Verdict, failed: boolean, reason: string): Verdict {
    if (verdict.kind === "ack") {
      if (this.paused) this.#events.notice("info", "the probe succeeded: going on");
      this.#inARow = 0;
      this.#probes = 0;
      return verdict;
    }
    if (!failed) return verdict;
    const before = this.paused;
    this.#inARow++;
    if (!this.paused) return verdict;
    const delayMs = longestDelayMs(++this.#probes, this.#policy);
    this.#probeAt = performance.now() + delayMs;
    if (!before) {
      this.#events.notice(
        "warn",
        `paused after ${this.#inARow} failures in a row (${reason}): probing with one entry at a time`,
      );
      return verdict.kind === "dead" ? { kind: "retry", reason, delayMs, counted: false } : verdict;
    }
    return { kind: "retry", reason, delayMs, counted: false };
  }
}
