import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GracePeriod } from "../../../src/engine/worker/heartbeat.ts";

const GRACE_MS = 3_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

const serverUpFor = (seconds: number) => ({
  serverInfo: async () => new Map([["uptime_in_seconds", String(seconds)]]),
});

describe("the grace period", () => {
  test("nothing is taken while Redis is away", () => {
    const grace = new GracePeriod(900);
    grace.failed();
    expect(grace.until).toBe(Number.POSITIVE_INFINITY);
  });

  test("after an outage others get the time to come back", () => {
    const grace = new GracePeriod(900);
    grace.failed();
    vi.advanceTimersByTime(301);
    grace.worked();
    expect(grace.until).toBe(performance.now() + GRACE_MS);
  });

  test("an outage shorter than a heartbeat's interval is harmless", () => {
    const grace = new GracePeriod(900);
    grace.failed();
    vi.advanceTimersByTime(300);
    grace.worked();
    expect(grace.until).toBeLessThanOrEqual(performance.now());
  });

  test("an outage began with the last answer, not with the first question that failed", () => {
    const grace = new GracePeriod(900);
    vi.advanceTimersByTime(400);
    grace.failed();
    grace.worked();
    expect(grace.until).toBe(performance.now() + GRACE_MS);
  });

  test("a server that has just started may have cut off others", async () => {
    const grace = new GracePeriod(900);
    await grace.arrive(serverUpFor(1));
    expect(grace.until).toBe(performance.now() + GRACE_MS);
    const later = new GracePeriod(900);
    await later.arrive(serverUpFor(60));
    expect(later.until).toBe(0);
  });

  test("a user who may not ask for the server's uptime goes without", async () => {
    const grace = new GracePeriod(900);
    await grace.arrive({ serverInfo: () => Promise.reject(new Error("NOPERM")) });
    expect(grace.until).toBe(0);
  });
});
