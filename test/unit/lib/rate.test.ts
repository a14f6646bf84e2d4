import { expect, test } from "vitest";
import { Pace } from "../../../src/lib/rate.ts";

/** Sends for `ms` of simulated time and returns how many entries that were. */
function sendFor(ms: number, pace: Pace, clock: { now: number }): number {
  const end = clock.now + ms;
  let sent = 0;
  while (clock.now < end) {
    sent++;
    if (!pace.take()) clock.now += pace.waitMs();
  }
  return sent;
}

test.each([0.5, 1, 7, 500, 40_000])("%d entries a second stay so in the long run", (rate) => {
  const clock = { now: 1_000 };
  const pace = new Pace(rate, () => clock.now);
  const seconds = 100;
  const sent = sendFor(seconds * 1_000, pace, clock);
  expect(sent / (seconds * rate)).toBeGreaterThan(0.97);
  expect(sent / (seconds * rate)).toBeLessThan(1.03);
});

test("a pause of the input is not caught up on with a burst", () => {
  const clock = { now: 0 };
  const pace = new Pace(100, () => clock.now);
  pace.take();
  clock.now += 60_000;
  let burst = 1;
  while (pace.take()) burst++;
  expect(burst).toBeLessThanOrEqual(11);
});
