import { expect, test } from "vitest";
import { timeLimit } from "../../../src/lib/time-limit.ts";

/** Stands still without taking any of the processor's time, as a process that is stopped, or a machine that sleeps. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("what runs on is stopped", async () => {
  const within = await timeLimit();
  const endless = (): never => {
    for (;;);
  };
  expect(within(20, endless)).toBeUndefined();
  expect(within(1_000, () => "done")).toBe("done");
});

test("a machine that stands still does not count as what runs on", async () => {
  const within = await timeLimit();
  let tries = 0;
  const answer = within(300, () => {
    if (tries++ === 0) standStill(400);
    return "done";
  });
  expect(answer).toBe("done");
});
