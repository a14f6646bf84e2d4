import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  idleForDelayMs,
  longestDelayMs,
  retryDelayMs,
  takeAfterMs,
} from "../../../src/engine/worker/retries.ts";
import type { RetryPolicy } from "../../../src/engine/worker/types.ts";

const policy: RetryPolicy = {
  maxDeliveries: 5,
  delayMs: 1_000,
  maxDelayMs: 300_000,
  deadOn: new Set(),
  retryOn: new Set(),
};

describe("backoff", () => {
  test("doubles from the first delay up to the longest", () => {
    expect([1, 2, 3, 4, 9, 10, 2_000].map((k) => longestDelayMs(k, policy))).toEqual([
      1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000,
    ]);
  });

  test("jitter stays between half of the delay and all of it", () => {
    expect(retryDelayMs(3, policy, () => 0)).toBe(2_000);
    expect(retryDelayMs(3, policy, () => 1)).toBe(4_000);
  });

  test("an entry left with the idle time computed here comes due exactly after its delay, never before", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 100, max: 600_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (deliveries, claimIdleMs, delayMs, maxDelayMs, random) => {
          const rule = { ...policy, delayMs, maxDelayMs: Math.max(delayMs, maxDelayMs) };
          const delay = retryDelayMs(deliveries, rule, () => random);
          const idle = idleForDelayMs(deliveries, delay, claimIdleMs, rule);
          expect(idle).toBeGreaterThanOrEqual(0);
          expect(idle + delay).toBe(takeAfterMs(deliveries, claimIdleMs, rule));
        },
      ),
    );
  });
});
