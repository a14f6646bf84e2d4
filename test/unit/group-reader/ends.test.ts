import { expect, onTestFinished, test, vi } from "vitest";
import { Ends, wakeUntil } from "../../../src/engine/group-reader/ends.ts";

const HOUR_MS = 3_600_000;

function clock(toFake: "Date" | "performance"): void {
  vi.useFakeTimers({ toFake: [toFake] });
  onTestFinished(() => void vi.useRealTimers());
}

test("nothing ends what has no end", () => {
  const ends = new Ends({});
  ends.took(1_000_000);
  expect(ends.reached).toBe(false);
  expect(ends.waitMs(2_000)).toBe(2_000);
});

test("a count ends it with its last entry", () => {
  const ends = new Ends({ count: 3 });
  ends.took(2);
  expect([ends.remaining, ends.reached]).toEqual([1, false]);
  ends.took(1);
  expect(ends.reached).toBe(true);
});

test("idling ends it, counted from what was done last; a read waits no longer than that", () => {
  clock("performance");
  const ends = new Ends({ idleMs: 1_000 });
  vi.advanceTimersByTime(700);
  expect(ends.waitMs(2_000)).toBe(300);
  ends.active();
  vi.advanceTimersByTime(999);
  expect(ends.reached).toBe(false);
  vi.advanceTimersByTime(1);
  expect([ends.reached, ends.waitMs(2_000)]).toEqual([true, 1]);
});

test("a clock that is set forward or back is no idling", () => {
  clock("Date");
  const ends = new Ends({ idleMs: 60_000 });
  vi.setSystemTime(Date.now() + HOUR_MS);
  expect(ends.reached).toBe(false);
  vi.setSystemTime(Date.now() - 2 * HOUR_MS);
  expect(ends.waitMs(Number.POSITIVE_INFINITY)).toBeLessThanOrEqual(60_000);
});

test("a read that was about to wait when it was woken is woken once more", async () => {
  const ended = new AbortController();
  let wakes = 0;
  await wakeUntil(ended.signal, HOUR_MS, async () => {
    if (++wakes === 2) ended.abort();
  });
  expect(wakes).toBe(2);
});

test("what does not end is left to itself after a while", async () => {
  let wakes = 0;
  await wakeUntil(new AbortController().signal, 1, async () => void wakes++);
  expect(wakes).toBe(1);
});
