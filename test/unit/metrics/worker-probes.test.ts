import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { IterationWatchdog } from "../../../src/engine/worker/health.ts";
import type { WorkerState } from "../../../src/engine/worker/types.ts";
import { notReadyReason, type ProbedWorker, stuckReason } from "../../../src/metrics/worker-probes.ts";

function worker(state: Partial<WorkerState> = {}, more: Partial<ProbedWorker> = {}): ProbedWorker {
  const idle: WorkerState = {
    running: 0,
    inFlight: 0,
    paused: false,
    groupPaused: 0,
    reading: true,
    turnMs: 0,
  };
  return {
    state: { ...idle, ...state },
    connected: true,
    stopping: false,
    commandTimeoutMs: 10_000,
    movedMsAgo: Infinity,
    ...more,
  };
}

describe("alive", () => {
  test("as long as a turn can still end: a blocking read, and commands up to their timeout", () => {
    expect(stuckReason(worker({ turnMs: 60_000 }))).toBeUndefined();
    expect(stuckReason(worker({ turnMs: 100_000 }))).toMatch(/^stuck: .* 1m 40s$/);
  });

  test("whether or not Redis is there, and while stopping", () => {
    expect(stuckReason(worker({ reading: false }, { connected: false, stopping: true }))).toBeUndefined();
  });

  test("while a large read comes slowly, but comes", () => {
    expect(stuckReason(worker({ turnMs: 900_000 }, { movedMsAgo: 2_000 }))).toBeUndefined();
  });

  test("with a longer command timeout a turn may take longer", () => {
    expect(stuckReason(worker({ turnMs: 100_000 }, { commandTimeoutMs: 20_000 }))).toBeUndefined();
  });
});

describe("ready", () => {
  test.each([
    [worker(), undefined],
    [worker({ paused: true }), undefined],
    [worker({ reading: false }), "not reading"],
    [worker({ verdictsWait: "no memory" }), "verdicts wait: no memory"],
    [worker({}, { connected: false }), "waiting for Redis"],
    [worker({ reading: false }, { connected: false, stopping: true }), "stopping"],
  ])("case %#", (probed, reason) => {
    expect(notReadyReason(probed)).toBe(reason);
  });
});

describe("turns", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("are measured from their beginning, again each time, and not between", () => {
    const turns = new IterationWatchdog();
    expect(turns.begun).toBe(false);
    turns.begin();
    vi.advanceTimersByTime(300);
    expect(turns.forMs).toBe(300);
    turns.begin();
    vi.advanceTimersByTime(50);
    expect(turns.forMs).toBe(50);
    turns.end();
    vi.advanceTimersByTime(1_000);
    expect(turns.forMs).toBe(0);
    expect(turns.begun).toBe(true);
  });
});
