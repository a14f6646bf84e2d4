import { formatDuration } from "../../units.ts";
import { isSuccess, type Outcome } from "../handlers/outcome.ts";
import { longestDelayMs, retryDelayMs } from "./retries.ts";
import type { RetryPolicy, Verdict, WorkerObserver } from "./types.ts";

/** sysexits' EX_DATAERR, and the code by which other queue runners say the same. */
const DEAD_CODES = new Set([65, 100]);
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
/** What this machine lacks, it will not have a moment later. */
const SHORTAGE_DELAY_MS = 1_000;

export interface VerdictFacts {
  /** How often the entry has been delivered, this time included. */
  readonly deliveries: number;
  /** Whether any run of this worker has ended with 0. */
  readonly everSucceeded: boolean;
}

/** What an outcome means for its entry: the table of docs/worker.md, in code. */
export function judge(
  outcome: Outcome,
  facts: VerdictFacts,
  policy: RetryPolicy,
  random?: () => number,
): Verdict {
  switch (outcome.kind) {
    case "stopped":
      return { kind: "release", counted: true };
    case "unrun":
    case "unprinted":
      return { kind: "release", counted: false };
    case "shortage": {
      const delayMs = Math.max(SHORTAGE_DELAY_MS, policy.delayMs);
      return { kind: "retry", reason: outcome.message, delayMs, counted: false };
    }
    case "unstarted":
      if (!facts.everSucceeded) return broken(outcome.code, outcome.message);
      return failed({ reason: `exit ${outcome.code}`, exit: String(outcome.code), stderr: NO_BYTES });
    case "answer":
      switch (outcome.answer) {
        case "ok":
          return acked(outcome.stdout);
        case "dead":
          return { kind: "dead", reason: outcome.reason, stderr: outcome.stderr };
        case "snooze": {
          const { reason, delayMs, stderr } = outcome;
          return { kind: "snooze", reason, delayMs, counted: false, stderr };
        }
        case "retry":
          return failed({ reason: outcome.reason, stderr: outcome.stderr }, outcome.delayMs);
      }
    case "exit": {
      const { code, stderr, stdout } = outcome;
      if (code === 0) return acked(stdout);
      const failure = { reason: `exit ${code}`, exit: String(code), stderr };
      if (isDead(code, policy)) return { kind: "dead", ...failure };
      // A command that can't be run says nothing about the entry, until it has been seen to run.
      if ((code === NOT_EXECUTABLE || code === NOT_FOUND) && !facts.everSucceeded) {
        return broken(code, stderr.toString("utf8").trim().split("\n").at(-1) || failure.reason);
      }
      return failed(failure);
    }
    case "signal": {
      const { signal, code, stderr } = outcome;
      const failure = { reason: `signal ${signal.replace(/^SIG/, "")}`, exit: signal, stderr };
      return isDead(code, policy) ? { kind: "dead", ...failure } : failed(failure);
    }
    case "response": {
      const { status, stderr, stdout, retryAfterMs, location } = outcome;
      if (isSuccess(status)) return acked(stdout);
      const failure = { reason: `status ${status}`, exit: String(status), stderr };
      if (status >= 500 || MAY_PASS.has(status)) return failed(failure, retryAfterMs);
      if (status >= 400) return { kind: "dead", ...failure };
      return facts.everSucceeded ? failed(failure) : misdirected(status, location);
    }
    case "unanswered": {
      const { reason, deployment } = outcome;
      if (deployment && !facts.everSucceeded) return { kind: "broken", reason };
      return failed({ reason, stderr: NO_BYTES });
    }
    case "timeout":
      return failed({ reason: `timeout ${formatDuration(outcome.afterMs)}`, stderr: outcome.stderr });
  }

  /** `askedMs`: the delay that the handler asked for. */
  function failed(failure: Failure, askedMs?: number): Verdict {
    if (facts.deliveries >= policy.maxDeliveries) return { kind: "dead", ...failure };
    const delayMs = askedMs ?? retryDelayMs(facts.deliveries, policy, random);
    return { kind: "retry", ...failure, delayMs };
  }
}

function acked(stdout: Buffer | undefined): Verdict {
  return stdout === undefined ? { kind: "ack" } : { kind: "ack", stdout };
}

function isDead(code: number, policy: RetryPolicy): boolean {
  return policy.deadOn.has(code) || (DEAD_CODES.has(code) && !policy.retryOn.has(code));
}

/** Statuses below 500 of which a later attempt may come to more: Request Timeout, Too Early, Too Many Requests. */
const MAY_PASS: ReadonlySet<number> = new Set([408, 425, 429]);

/** Whoever is posted to somewhere else was not asked. */
function misdirected(status: number, location: string | undefined): Verdict {
  const to = location === undefined ? "" : ` to ${location.slice(0, 200)}`;
  return {
    kind: "broken",
    reason: `the server redirects${to} (status ${status}), and no redirect is followed`,
  };
}

interface Failure {
  readonly reason: string;
  readonly exit?: string;
  readonly stderr: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

function broken(code: number, said: string): Verdict {
  const what = code === NOT_FOUND ? "the command was not found" : "the command is not executable";
  return { kind: "broken", reason: `${what}: ${said}` };
}

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
