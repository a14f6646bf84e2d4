import { describe, expect, test } from "vitest";
import { InFlight, type InFlightEntry } from "../../../src/engine/worker/in-flight.ts";
import type { Delivery } from "../../../src/engine/worker/types.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { now } from "../../../src/lib/instant.ts";
import { entryId } from "../../support/ids.ts";

function delivery(id: string): Delivery {
  return { stream: streamKey("orders"), entry: { id: entryId(id), fields: [] }, deliveries: 1 };
}

function inFlightOf(slots: number, size = 1): InFlight {
  return new InFlight({ slots, batch: { size, waitMs: 0 } });
}

function hold(inFlight: InFlight, id: string): InFlightEntry {
  return inFlight.hold(delivery(id), now(), performance.now());
}

test("what was settled after a step was asked for is over, though the step has brought it once more", () => {
  const inFlight = inFlightOf(4);
  const askedAt = performance.now() - 1;
  inFlight.over(delivery("1-0"));
  expect(inFlight.isOverSince(askedAt, delivery("1-0"))).toBe(true);
  expect(inFlight.isOverSince(askedAt, delivery("2-0"))).toBe(false);
  expect(inFlight.isOverSince(performance.now() + 1, delivery("1-0"))).toBe(false);
});

test("of what was settled, only the latest is remembered", () => {
  const inFlight = inFlightOf(4);
  for (let n = 0; n <= 4_096; n++) inFlight.over(delivery(`${n}-0`));
  expect(inFlight.isOverSince(0, delivery("0-0"))).toBe(false);
  expect(inFlight.isOverSince(0, delivery("1-0"))).toBe(true);
});

describe("an entry in flight", () => {
  test("waits, runs, is settled and is gone", () => {
    const inFlight = inFlightOf(1);
    const entry = hold(inFlight, "1-0");
    expect(entry.state).toBe("waiting");
    inFlight.start([entry]);
    expect(entry.state).toBe("running");
    inFlight.settles(entry);
    expect(entry.state).toBe("settling");
    inFlight.settled(entry);
    expect(entry.state).toBe("gone");
    expect(inFlight.count).toBe(0);
    expect(inFlight.get(streamKey("orders"), entryId("1-0"))).toBeUndefined();
  });

  test("gets its verdict without a run", () => {
    const inFlight = inFlightOf(1);
    const entry = hold(inFlight, "1-0");
    inFlight.settles(entry);
    expect(entry.state).toBe("settling");
    expect(inFlight.free).toBe(1);
  });

  test("can't run twice, nor run once it has a verdict", () => {
    const inFlight = inFlightOf(2);
    const entry = hold(inFlight, "1-0");
    inFlight.start([entry]);
    expect(() => inFlight.start([entry])).toThrow("can't go from running to running");
    inFlight.settles(entry);
    expect(() => inFlight.start([entry])).toThrow("can't go from settling to running");
  });

  test("that is gone can't get another verdict", () => {
    const inFlight = inFlightOf(1);
    const entry = hold(inFlight, "1-0");
    inFlight.settles(entry);
    inFlight.settled(entry);
    inFlight.settled(entry);
    expect(inFlight.count).toBe(0);
    expect(() => inFlight.settles(entry)).toThrow("can't go from gone to settling");
  });

  test("leaves the delivery that it was made from as it is", () => {
    const inFlight = inFlightOf(1);
    const given = delivery("1-0");
    inFlight.settles(inFlight.hold(given, now(), 0));
    expect(given).toEqual(delivery("1-0"));
  });
});

describe("how many entries may be taken", () => {
  test("as many as slots are free, times the size of a batch, less those that wait", () => {
    const inFlight = inFlightOf(2, 3);
    expect(inFlight.free).toBe(6);
    const batch = ["1-0", "2-0", "3-0"].map((id) => hold(inFlight, id));
    expect(inFlight.free).toBe(3);
    inFlight.start(batch);
    expect(inFlight.free).toBe(3);
    hold(inFlight, "4-0");
    expect(inFlight.free).toBe(2);
  });

  test("none once twice as many as can run wait for the answers to their verdicts", () => {
    const inFlight = inFlightOf(1);
    for (const id of ["1-0", "2-0"]) inFlight.settles(hold(inFlight, id));
    expect(inFlight.free).toBe(0);
  });

  test("those set aside keep no other from being taken", () => {
    const inFlight = inFlightOf(1);
    const entries = ["1-0", "2-0"].map((id) => hold(inFlight, id));
    for (const entry of entries) {
      inFlight.settles(entry);
      inFlight.setAside(entry);
      inFlight.setAside(entry);
    }
    expect(inFlight.free).toBe(1);
    expect(inFlight.count).toBe(2);
    for (const entry of entries) inFlight.settled(entry);
    expect(inFlight.free).toBe(1);
    expect(inFlight.count).toBe(0);
  });

  test("the loop is woken when a run has ended and when an entry is settled", async () => {
    const inFlight = inFlightOf(1);
    const { signal } = new AbortController();
    const entry = hold(inFlight, "1-0");
    inFlight.start([entry]);
    const afterRun = inFlight.changed(signal);
    inFlight.settles(entry);
    inFlight.finished();
    await afterRun;
    const afterAnswer = inFlight.changed(signal);
    inFlight.settled(entry);
    await afterAnswer;
  });
});
