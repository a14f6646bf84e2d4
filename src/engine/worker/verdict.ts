import { formatDuration } from "../../units.ts";
import { retryDelayMs } from "./backoff.ts";
import type { Outcome, RetryPolicy, Verdict } from "./types.ts";

/** sysexits' EX_DATAERR, and the code by which other queue runners say the same. */
const DEAD_CODES = new Set([65, 100]);
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

export interface VerdictFacts {
  /** How often the entry has been delivered, this time included. */
  readonly deliveries: number;
  /** Whether any run of this worker has ended with 0. */
  readonly everSucceeded: boolean;
}

/** What an outcome means for its entry: the table of the README, in code. */
export function judge(
  outcome: Outcome,
  facts: VerdictFacts,
  policy: RetryPolicy,
  random?: () => number,
): Verdict {
  switch (outcome.kind) {
    case "stopped":
      return { kind: "release", counted: true };
    case "unstarted":
      return unrunnable(outcome.code, outcome.message, NO_BYTES, facts, policy, random);
    case "exit": {
      const { code, stderr } = outcome;
      if (code === 0) return { kind: "ack" };
      const reason = `exit ${code}`;
      if (policy.deadOn.has(code) || DEAD_CODES.has(code))
        return { kind: "dead", reason, exit: String(code), stderr };
      if (code === NOT_EXECUTABLE || code === NOT_FOUND)
        return unrunnable(code, reason, stderr, facts, policy, random);
      return failed(reason, String(code), stderr, facts, policy, random);
    }
    case "signal":
      return failed(
        `signal ${outcome.signal.replace(/^SIG/, "")}`,
        outcome.signal,
        outcome.stderr,
        facts,
        policy,
        random,
      );
    case "timeout":
      return failed(
        `timeout ${formatDuration(outcome.afterMs)}`,
        undefined,
        outcome.stderr,
        facts,
        policy,
        random,
      );
  }
}

const NO_BYTES = Buffer.alloc(0);

/** A command that can't be run says nothing about the entry, until it has been seen to run. */
function unrunnable(
  code: 126 | 127,
  message: string,
  stderr: Buffer,
  facts: VerdictFacts,
  policy: RetryPolicy,
  random?: () => number,
): Verdict {
  if (facts.everSucceeded) return failed(`exit ${code}`, String(code), stderr, facts, policy, random);
  const what = code === NOT_FOUND ? "the command was not found" : "the command is not executable";
  const said = stderr.toString("utf8").trim().split("\n").at(-1) || message;
  return { kind: "broken", reason: `${what}: ${said}` };
}

function failed(
  reason: string,
  exit: string | undefined,
  stderr: Buffer,
  facts: VerdictFacts,
  policy: RetryPolicy,
  random?: () => number,
): Verdict {
  if (facts.deliveries >= policy.maxDeliveries) {
    return exit === undefined ? { kind: "dead", reason, stderr } : { kind: "dead", reason, exit, stderr };
  }
  return { kind: "retry", reason, delayMs: retryDelayMs(facts.deliveries, policy, random) };
}
