import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OutageGuard } from "../../../src/engine/worker/judge.ts";
import type { RetryPolicy, Verdict } from "../../../src/engine/worker/types.ts";

const policy: RetryPolicy = {
  maxDeliveries: 5,
  delayMs: 1_000,
  maxDelayMs: 4_000,
  deadOn: new Set(),
  retryOn: new Set(),
};
const RETRY: Verdict = { kind: "retry", reason: "exit 1", delayMs: 10 };
const DEAD: Verdict = { kind: "dead", reason: "exit 1", stderr: Buffer.alloc(0) };
const ACK: Verdict = { kind: "ack" };

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function guardAfter(threshold: number | undefined) {
  const said: string[] = [];
  const guard = new OutageGuard(threshold, policy, { notice: (_level, message) => void said.push(message) });
  return { guard, said };
}

describe("the outage guard", () => {
  test("never pauses without --pause-after", () => {
    const { guard } = guardAfter(undefined);
    for (let n = 0; n < 100; n++) expect(guard.pass(RETRY, true, "exit 1")).toBe(RETRY);
    expect(guard.paused).toBe(false);
    expect(guard.allow(8, 0, performance.now())).toBe(8);
  });

  test("pauses after so many failures in a row, and a success begins the count anew", () => {
    const { guard, said } = guardAfter(2);
    guard.pass(RETRY, true, "exit 1");
    guard.pass(ACK, false, "");
    guard.pass(RETRY, true, "exit 1");
    expect(guard.paused).toBe(false);
    guard.pass(RETRY, true, "exit 1");
    expect(guard.paused).toBe(true);
    expect(said).toEqual(["paused after 2 failures in a row (exit 1): probing with one entry at a time"]);
  });

  test("an entry that exits with a code for dead letters says nothing of an outage", () => {
    const { guard } = guardAfter(1);
    expect(guard.pass(DEAD, false, "exit 65")).toBe(DEAD);
    expect(guard.paused).toBe(false);
  });

  test("the failure that begins the pause is counted, but does not dead-letter its entry", () => {
    const { guard } = guardAfter(1);
    expect(guard.pass(DEAD, true, "exit 1")).toEqual({
      kind: "retry",
      reason: "exit 1",
      delayMs: 1_000,
      counted: false,
    });
    expect(guardAfter(1).guard.pass(RETRY, true, "exit 1")).toBe(RETRY);
  });

  test("while paused one entry at a time is run, at delays that double, and its failure is not counted", () => {
    const { guard } = guardAfter(1);
    guard.pass(RETRY, true, "exit 1");
    for (const delayMs of [1_000, 2_000, 4_000, 4_000]) {
      expect(guard.allow(8, 0, performance.now())).toBe(0);
      expect(guard.waitMs(performance.now())).toBe(delayMs);
      vi.advanceTimersByTime(delayMs);
      expect(guard.allow(8, 1, performance.now())).toBe(0);
      expect(guard.allow(8, 0, performance.now())).toBe(1);
      expect(guard.pass(RETRY, true, "exit 1")).toMatchObject({ kind: "retry", counted: false });
    }
  });

  test("a probe that succeeds ends the pause", () => {
    const { guard, said } = guardAfter(1);
    guard.pass(RETRY, true, "exit 1");
    expect(guard.pass(ACK, false, "")).toBe(ACK);
    expect(guard.paused).toBe(false);
    expect(guard.waitMs(performance.now())).toBeUndefined();
    expect(guard.allow(8, 3, performance.now())).toBe(8);
    expect(said.at(-1)).toBe("the probe succeeded: going on");
  });
});
