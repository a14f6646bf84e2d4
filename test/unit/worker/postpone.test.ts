import { describe, expect, test } from "vitest";
import { keepable } from "../../../src/engine/worker/postpone.ts";
import type { Delivery, Verdict } from "../../../src/engine/worker/types.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

const settings = {
  claimIdleMs: 60_000,
  retry: {
    maxDeliveries: 9,
    delayMs: 1_000,
    maxDelayMs: 300_000,
    deadOn: new Set<number>(),
    retryOn: new Set<number>(),
  },
};

function delivery(deliveries: number): Delivery {
  return { stream: streamKey("s"), entry: { id: entryId("1-1"), fields: [] }, deliveries };
}

function kept(verdict: Verdict, deliveries = 1) {
  const said: string[] = [];
  const result = keepable(verdict, delivery(deliveries), settings, {
    notice: (_, message) => said.push(message),
  });
  return { delayMs: "delayMs" in result ? result.delayMs : undefined, said };
}

const snooze = (delayMs: number): Verdict => ({ kind: "snooze", delayMs, reason: "", counted: false });

describe("how long the pending list keeps what a handler puts off", () => {
  test("up to --claim-idle, at which any worker may take an entry of any idle time", () => {
    expect(kept(snooze(60_000))).toEqual({ delayMs: 60_000, said: [] });
    const cut = kept(snooze(7_200_000));
    expect(cut.delayMs).toBe(60_000);
    expect(cut.said[0]).toContain("a snooze of 2h is cut to 1m");
  });

  test("longer where the backoff of that delivery is; a snooze goes by the deliveries before it", () => {
    expect(kept({ kind: "retry", delayMs: 200_000, reason: "" }, 8).delayMs).toBe(128_000);
    expect(kept(snooze(200_000), 8).delayMs).toBe(64_000);
  });

  test("without a word for a worker's own delays, as in an outage", () => {
    expect(kept({ kind: "retry", delayMs: 300_000, reason: "", counted: false })).toEqual({
      delayMs: 60_000,
      said: [],
    });
    expect(kept({ kind: "release", counted: true })).toEqual({ delayMs: undefined, said: [] });
  });
});
