import { describe, expect, test } from "vitest";
import type { Outcome } from "../../../src/engine/handlers/outcome.ts";
import type { RetryPolicy } from "../../../src/engine/worker/types.ts";
import { judge } from "../../../src/engine/worker/judge.ts";

const policy: RetryPolicy = {
  maxDeliveries: 3,
  delayMs: 1_000,
  maxDelayMs: 60_000,
  deadOn: new Set([7]),
  retryOn: new Set(),
};
const stderr = Buffer.from("boom\n");
const exit = (code: number): Outcome => ({ kind: "exit", code, stderr });
const first = { deliveries: 1, everSucceeded: false };
const seen = { deliveries: 1, everSucceeded: true };

describe("verdict", () => {
  test("exit 0 acks", () => {
    expect(judge(exit(0), first, policy)).toEqual({ kind: "ack" });
  });

  test.each([65, 100, 7])("exit %i dead-letters at once, whatever the count", (code) => {
    expect(judge(exit(code), first, policy)).toEqual({
      kind: "dead",
      reason: `exit ${code}`,
      exit: String(code),
      stderr,
    });
  });

  test.each([
    [exit(1), "exit 1"],
    [exit(255), "exit 255"],
    [{ kind: "signal", signal: "SIGKILL", code: 137, stderr }, "signal KILL"],
    [{ kind: "timeout", afterMs: 30_000, stderr }, "timeout 30s"],
  ] as [Outcome, string][])(
    "%j is retried while deliveries are left, then dead-lettered",
    (outcome, reason) => {
      const retry = judge(outcome, { deliveries: 2, everSucceeded: true }, policy, () => 1);
      expect(retry).toMatchObject({ kind: "retry", reason, delayMs: 2_000 });
      expect(judge(outcome, { deliveries: 3, everSucceeded: true }, policy)).toMatchObject({
        kind: "dead",
        reason,
      });
    },
  );

  test("a delay that the handler asks for stands in the backoff's place, and counts all the same", () => {
    const asked: Outcome = {
      kind: "answer",
      answer: "retry",
      reason: "their limit",
      delayMs: 90_000,
      stderr,
    };
    expect(judge(asked, first, policy)).toEqual({
      kind: "retry",
      reason: "their limit",
      delayMs: 90_000,
      stderr,
    });
    expect(judge(asked, { ...first, deliveries: 3 }, policy)).toMatchObject({ kind: "dead" });
  });

  test("a snooze never counts, however often the entry was delivered", () => {
    const asked: Outcome = { kind: "answer", answer: "snooze", reason: "not yet", delayMs: 5_000, stderr };
    for (const deliveries of [1, 3, 100])
      expect(judge(asked, { deliveries, everSucceeded: false }, policy)).toEqual({
        kind: "snooze",
        reason: "not yet",
        delayMs: 5_000,
        counted: false,
        stderr,
      });
  });

  test.each([126, 127])("exit %i before any success breaks the worker and counts nothing", (code) => {
    expect(judge(exit(code), first, policy)).toMatchObject({ kind: "broken" });
    expect(judge(exit(code), { deliveries: 3, everSucceeded: false }, policy)).toMatchObject({
      kind: "broken",
    });
  });

  test("exit 127 after a success is a failure like any other", () => {
    expect(judge(exit(127), seen, policy)).toMatchObject({ kind: "retry", reason: "exit 127" });
  });

  test("a program that can't be started breaks the worker, and says why", () => {
    const outcome: Outcome = { kind: "unstarted", code: 127, message: "spawn nope ENOENT" };
    expect(judge(outcome, first, policy)).toEqual({
      kind: "broken",
      reason: "the command was not found: spawn nope ENOENT",
    });
  });

  test("--dead-on may name a signal as 128 + n", () => {
    const killed: Outcome = { kind: "signal", signal: "SIGKILL", code: 137, stderr };
    expect(judge(killed, first, { ...policy, deadOn: new Set([137]) })).toMatchObject({ kind: "dead" });
  });

  test("--retry-on takes a code off the list of those that dead-letter at once", () => {
    expect(judge(exit(65), first, { ...policy, retryOn: new Set([65]) })).toMatchObject({ kind: "retry" });
  });

  test("a machine that can't start processes now counts nothing against anyone", () => {
    const shortage: Outcome = { kind: "shortage", message: "spawn EAGAIN" };
    const last = { deliveries: policy.maxDeliveries, everSucceeded: false };
    expect(judge(shortage, last, policy)).toEqual({
      kind: "retry",
      reason: "spawn EAGAIN",
      delayMs: 1_000,
      counted: false,
    });
  });

  test("--dead-on may name 126 and 127", () => {
    expect(judge(exit(127), first, { ...policy, deadOn: new Set([127]) })).toMatchObject({ kind: "dead" });
  });

  test("an entry that was not begun goes back uncounted, even from its last delivery", () => {
    expect(judge({ kind: "unrun" }, { deliveries: 3, everSucceeded: true }, policy)).toEqual({
      kind: "release",
      counted: false,
    });
  });

  test("a handler that the stopping worker ended says nothing about its entry", () => {
    expect(judge({ kind: "stopped" }, { deliveries: 3, everSucceeded: true }, policy)).toEqual({
      kind: "release",
      counted: true,
    });
  });
});
