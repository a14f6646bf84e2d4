import { describe, expect, test } from "vitest";
import { InFlight } from "../../../src/engine/worker/in-flight.ts";
import { ReadAhead } from "../../../src/engine/worker/read-ahead.ts";
import type { Delivery } from "../../../src/engine/worker/types.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { now } from "../../../src/lib/instant.ts";
import { entryId } from "../../support/ids.ts";

function readAheadOf({ slots = 2, size = 1, most = 1_000, trips = 1 } = {}): ReadAhead {
  return new ReadAhead({ slots, batch: { size, waitMs: 0 } }, most, trips);
}

function delivery(id: string, bytes = 0): Delivery {
  return {
    stream: streamKey("s"),
    entry: { id: entryId(id), fields: [Buffer.from("n"), Buffer.alloc(bytes)] },
    deliveries: 1,
  };
}

describe("how many entries are read ahead", () => {
  test("none until a run has ended: it may be the first of long ones", () => {
    expect(readAheadOf().entries).toBe(0);
  });

  test("as many as all slots start within 20 ms", () => {
    const readAhead = readAheadOf({ slots: 2 });
    readAhead.ran(4);
    expect(readAhead.entries).toBe(10);
  });

  test("or within two round trips, where those take longer", () => {
    const readAhead = readAheadOf({ slots: 2 });
    readAhead.ran(4);
    readAhead.answered(40);
    expect(readAhead.entries).toBe(40);
  });

  test("and one round trip more where each entry is looked up first", () => {
    const readAhead = readAheadOf({ slots: 2, trips: 2 });
    readAhead.ran(4);
    readAhead.answered(40);
    expect(readAhead.entries).toBe(60);
  });

  test("and more of them are asked for the sooner, the longer that takes", () => {
    const refillAt = (roundTripMs: number, trips: number): number => {
      const readAhead = readAheadOf({ trips });
      readAhead.answered(roundTripMs);
      return readAhead.refillAt;
    };
    expect([refillAt(0.2, 1), refillAt(0.2, 2)]).toEqual([2 / 3, 2 / 3]);
    expect(refillAt(40, 1)).toBeCloseTo(1 / 2 + 1 / 3);
    expect(refillAt(40, 2)).toBe(1);
  });

  test("none while runs take longer than that", () => {
    const readAhead = readAheadOf({ slots: 8 });
    readAhead.ran(21);
    expect(readAhead.entries).toBe(0);
  });

  test("whole batches", () => {
    const readAhead = readAheadOf({ slots: 1, size: 50 });
    readAhead.ran(10);
    expect(readAhead.entries).toBe(100);
  });

  test("never more than was allowed", () => {
    const readAhead = readAheadOf({ slots: 8, most: 3 });
    readAhead.ran(1);
    expect(readAhead.entries).toBe(3);
    const none = readAheadOf({ most: 0 });
    none.ran(1);
    expect(none.entries).toBe(0);
  });

  test("never more than 16 MiB of them", () => {
    const readAhead = readAheadOf({ slots: 8 });
    readAhead.ran(1);
    readAhead.came([delivery("1-0", 4 * 1024 * 1024 - 1)]);
    expect(readAhead.entries).toBe(4);
  });

  test("none once handlers are held up, until shorter runs tell otherwise", () => {
    const readAhead = readAheadOf();
    for (let n = 0; n < 10; n++) readAhead.ran(1);
    readAhead.heldUp(40);
    expect(readAhead.entries).toBe(0);
    for (let n = 0; n < 10; n++) readAhead.ran(1);
    expect(readAhead.entries).toBeGreaterThan(0);
  });
});

describe("how many are asked for", () => {
  function held(slots: number, waiting: number): InFlight {
    const inFlight = new InFlight({ slots, batch: { size: 1, waitMs: 0 } }, false);
    const entries = Array.from({ length: slots + waiting }, (_, n) =>
      inFlight.hold(delivery(`${n + 1}-0`), now(), performance.now()),
    );
    for (const entry of entries.slice(0, slots)) inFlight.start([entry]);
    return inFlight;
  }

  test("what starts at once and what is read ahead", () => {
    expect(held(0, 0).room(0, 2 / 3)).toBe(0);
    expect(new InFlight({ slots: 2, batch: { size: 1, waitMs: 0 } }, false).room(6, 2 / 3)).toBe(8);
  });

  test("nothing while most of what was read ahead still waits", () => {
    expect(held(2, 5).room(6, 2 / 3)).toBe(0);
    expect(held(2, 4).room(6, 2 / 3)).toBe(2);
    expect(held(2, 0).room(6, 2 / 3)).toBe(6);
  });
});
