import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_TIMER_MS, sleep, startInterval, startTimer, waitAtMost } from "../../../src/lib/timer.ts";

const DAY = 86_400_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a timer", () => {
  test("of 30 days is not over after a millisecond", () => {
    const action = vi.fn<() => void>();
    startTimer(30 * DAY, action);
    vi.advanceTimersByTime(30 * DAY - 1);
    expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([0, 1, MAX_TIMER_MS, MAX_TIMER_MS + 1, 3 * MAX_TIMER_MS])("of %i ms lasts that long", (ms) => {
    const action = vi.fn<() => void>();
    startTimer(ms, action);
    vi.advanceTimersByTime(Math.max(0, ms - 1));
    if (ms > 0) expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledTimes(1);
  });

  test("without an end never fires", () => {
    const action = vi.fn<() => void>();
    const timer = startTimer(Infinity, action);
    vi.advanceTimersByTime(400 * DAY);
    expect(action).not.toHaveBeenCalled();
    timer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that is stopped in its second part stays silent", () => {
    const action = vi.fn<() => void>();
    const timer = startTimer(30 * DAY, action);
    vi.advanceTimersByTime(26 * DAY);
    timer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([5_000, 30 * DAY])("of %i ms that is restarted has its whole time again", (ms) => {
    const action = vi.fn<() => void>();
    const timer = startTimer(ms, action);
    vi.advanceTimersByTime(ms - 1);
    timer.restart();
    vi.advanceTimersByTime(ms - 1);
    expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledTimes(1);
  });
});

test.each([200, 30 * DAY])("an interval of %i ms goes on until it is stopped, also by its action", (ms) => {
  let calls = 0;
  const timer = startInterval(ms, () => {
    if (++calls === 3) timer.stop();
  });
  vi.advanceTimersByTime(ms * 3 - 1);
  expect(calls).toBe(2);
  vi.advanceTimersByTime(ms * 5);
  expect(calls).toBe(3);
  expect(vi.getTimerCount()).toBe(0);
});

test("a sleep of 30 days ends at once when its signal aborts", async () => {
  const stop = new AbortController();
  const slept = sleep(30 * DAY, stop.signal);
  vi.advanceTimersByTime(29 * DAY);
  expect(vi.getTimerCount()).toBe(1);
  stop.abort();
  await slept;
  expect(vi.getTimerCount()).toBe(0);
});

test("what comes in time is not waited for any longer, and leaves no timer", async () => {
  let come: () => void = () => {};
  const waited = waitAtMost(30 * DAY, new Promise<void>((resolve) => (come = resolve)));
  vi.advanceTimersByTime(29 * DAY);
  come();
  await waited;
  expect(vi.getTimerCount()).toBe(0);
});

test("what never comes is waited for as long as was said", async () => {
  let over = false;
  const waited = waitAtMost(200, new Promise(() => {})).then(() => (over = true));
  await vi.advanceTimersByTimeAsync(199);
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await waited;
  expect(vi.getTimerCount()).toBe(0);
});

test("a failure of what is waited for comes through, and leaves no timer", async () => {
  await expect(waitAtMost(200, Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(vi.getTimerCount()).toBe(0);
});
