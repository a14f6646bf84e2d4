import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Batches } from "../../../src/engine/worker/run.ts";
import { InFlight } from "../../../src/engine/worker/in-flight.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { now } from "../../../src/lib/instant.ts";
import { Pacer } from "../../../src/lib/rate.ts";
import { entryId } from "../../support/ids.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function batching(size: number, waitMs: number, perSecond?: number) {
  const started: string[][] = [];
  const rule = { size, waitMs };
  /** No slot is free until then, by performance.now(). */
  const busy = { until: 0 };
  const start = (): void => {
    if (performance.now() < busy.until) return;
    for (let batch; (batch = batches.next());) started.push(batch.map(({ entry }) => entry.id));
  };
  const batches = new Batches(rule, new Pacer(perSecond), start);
  const inFlight = new InFlight({ slots: 1, batch: rule });
  const add = (id: string): void => {
    const delivery = { stream: streamKey("s"), entry: { id: entryId(id), fields: [] }, deliveries: 1 };
    batches.add(inFlight.hold(delivery, now(), performance.now()));
  };
  return { batches, started, add, start, busy };
}

describe("a batch", () => {
  test("starts as soon as it is full", () => {
    const { started, add, start } = batching(2, 1_000);
    for (const id of ["1-0", "2-0", "3-0"]) add(id);
    start();
    expect(started).toEqual([["1-0", "2-0"]]);
  });

  test("that waits starts when its first entry has waited long enough, also when others came later", () => {
    const { started, add, start } = batching(3, 1_000);
    add("1-0");
    start();
    vi.advanceTimersByTime(900);
    add("2-0");
    vi.advanceTimersByTime(99);
    expect(started).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(started).toEqual([["1-0", "2-0"]]);
  });

  test("without a time to wait is what came together", () => {
    const { started, add, start } = batching(3, 0);
    add("1-0");
    add("2-0");
    expect(started).toEqual([]);
    start();
    start();
    expect(started).toEqual([["1-0", "2-0"]]);
  });

  test("that is given up does not start, and the next one waits its own time", () => {
    const { batches, started, add } = batching(2, 1_000);
    add("1-0");
    expect(batches.abandon().map(({ entry }) => entry.id)).toEqual(["1-0"]);
    vi.advanceTimersByTime(900);
    add("2-0");
    vi.advanceTimersByTime(500);
    expect(started).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(started).toEqual([["2-0"]]);
  });

  test("at a rate is of those whose time has come, and the others start at theirs", () => {
    const { started, add, start } = batching(2, 0, 10);
    for (const id of ["1-0", "2-0", "3-0"]) add(id);
    start();
    expect(started).toEqual([["1-0"]]);
    vi.advanceTimersByTime(99);
    expect(started).toEqual([["1-0"]]);
    vi.advanceTimersByTime(1);
    vi.advanceTimersByTime(100);
    expect(started).toEqual([["1-0"], ["2-0"], ["3-0"]]);
  });

  test("at a rate that gathers has as many as the rate lets start in its time", () => {
    const { started, add, start } = batching(5, 1_000, 3);
    for (const id of ["1-0", "2-0", "3-0", "4-0", "5-0"]) add(id);
    start();
    vi.advanceTimersByTime(1_000);
    expect(started).toEqual([["1-0", "2-0", "3-0", "4-0"]]);
  });

  test("that was held up lets those after it wait for their time", () => {
    const { started, add, start, busy } = batching(1, 0, 10);
    for (const id of ["1-0", "2-0", "3-0"]) add(id);
    start();
    busy.until = performance.now() + 5_000;
    vi.advanceTimersByTime(5_000);
    start();
    expect(started).toEqual([["1-0"], ["2-0"]]);
    vi.advanceTimersByTime(100);
    expect(started).toEqual([["1-0"], ["2-0"], ["3-0"]]);
  });
});
