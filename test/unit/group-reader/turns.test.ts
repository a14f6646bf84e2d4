import { describe, expect, test } from "vitest";
import { type TurnsOptions, Turns } from "../../../src/engine/group-reader/turns.ts";
import { streamKey } from "../../../src/entry/names.ts";

const MOST = Number.POSITIVE_INFINITY;

function turns(streams: readonly string[], options: Partial<TurnsOptions> = {}): Turns {
  const keys = streams.map(streamKey);
  return new Turns({ streams: () => keys, cluster: false, ...options });
}

/** The streams of the next reads, of which none finds anything. */
function fruitless(of: Turns, reads: number, { most = MOST, waitMs = 0 } = {}): string[] {
  return Array.from({ length: reads }, () => {
    const turn = of.next(10, most, waitMs);
    if (!turn) return "none";
    if (turn.blockMs > 0) of.lookAnew();
    else of.looked(turn);
    return `${turn.streams.join(" ")}${turn.blockMs > 0 ? ` for ${turn.blockMs}` : ""}`;
  });
}

describe("which streams come next", () => {
  test("outside a cluster all of them in one read, which shares its entries out", () => {
    const turn = turns(["a", "b", "c"]).next(10, MOST, 0);
    expect(turn).toEqual({ slot: 0, streams: ["a", "b", "c"], count: 3, blockMs: 0, all: true });
  });

  test("a read names no more streams than entries are wanted, and those left out come first in the next one", () => {
    const some = turns(["a", "b", "c"]);
    expect(fruitless(some, 4, { most: 2 })).toEqual(["a b", "c", "a b", "c"]);
    expect(some.next(1_000, 2, 0)).toMatchObject({ streams: ["a", "b"], count: 1 });
  });

  test("a slot at a time, each in its turn", () => {
    const some = turns(["{1}a", "{2}a", "{1}b"], { cluster: true });
    expect(fruitless(some, 4)).toEqual(["{1}a {1}b", "{2}a", "{1}a {1}b", "{2}a"]);
    expect([...some.slots.values()]).toEqual(["{1}a", "{2}a"]);
  });

  test("one that can't share a read has one of its own", () => {
    const some = turns(["a", "b", "c"], { alone: (stream) => stream === "b" });
    expect(fruitless(some, 4)).toEqual(["a c", "b", "a c", "b"]);
  });

  test("streams that join and leave, however often, keep none from its turn", () => {
    let streams = ["a", "b", "c"].map(streamKey);
    const some = turns([], { streams: () => streams });
    expect(fruitless(some, 1, { most: 1 })).toEqual(["a"]);
    streams = ["a", "b", "c", "d"].map(streamKey);
    expect(fruitless(some, 1, { most: 1 })).toEqual(["b"]);
    streams = ["a", "c", "d"].map(streamKey);
    expect(fruitless(some, 3, { most: 1 })).toEqual(["c", "d", "a"]);
    streams = [];
    expect(fruitless(some, 1)).toEqual(["none"]);
    streams = [streamKey("e")];
    expect(fruitless(some, 1)).toEqual(["e"]);
  });

  test("a slot that leaves while it has its turn makes way for another", () => {
    let streams = ["{1}a", "{1}b", "{2}a"].map(streamKey);
    const some = turns([], { streams: () => streams, cluster: true });
    expect(fruitless(some, 1, { most: 1 })).toEqual(["{1}a"]);
    streams = [streamKey("{2}a")];
    expect(fruitless(some, 2, { most: 1 })).toEqual(["{2}a", "{2}a"]);
  });
});

describe("whether a read waits", () => {
  test("at once and as long as it may, when it names every stream", () => {
    expect(fruitless(turns(["a", "b"]), 2, { waitMs: 1_000 })).toEqual(["a b for 1000", "a b for 1000"]);
  });

  test("not while a stream has a read of its own", () => {
    expect(fruitless(turns(["a"], { alone: () => true }), 1, { waitMs: 1_000 })).toEqual(["a"]);
  });

  test("else only after a look at every stream, for a moment, and each time at others", () => {
    const some = turns(["{1}a", "{2}a", "{3}a"], { cluster: true });
    expect(fruitless(some, 8, { waitMs: 1_000 })).toEqual([
      "{1}a",
      "{2}a",
      "{3}a",
      "{1}a for 200",
      "{2}a",
      "{3}a",
      "{1}a",
      "{2}a for 200",
    ]);
  });

  test("not after something has come: that may have been there before it, where a look found nothing", () => {
    const some = turns(["{1}a", "{2}a"], { cluster: true });
    expect(fruitless(some, 1, { waitMs: 1_000 })).toEqual(["{1}a"]);
    some.next(10, MOST, 1_000);
    some.lookAnew();
    expect(some.allLooked).toBe(false);
    expect(fruitless(some, 2, { waitMs: 1_000 })).toEqual(["{1}a", "{2}a"]);
    expect(some.allLooked).toBe(true);
  });

  test("a stream that joins is looked at first", () => {
    let streams = ["{1}a", "{2}a"].map(streamKey);
    const some = turns([], { streams: () => streams, cluster: true });
    fruitless(some, 2);
    expect(some.allLooked).toBe(true);
    streams = ["{1}a", "{2}a", "{3}a"].map(streamKey);
    expect(some.allLooked).toBe(false);
  });

  test("where a wait is no look, each stream is looked at and those of a slot are waited for together", () => {
    const one = turns(["a", "b"], { waitsApart: true });
    const round = ["a", "b", "a b for 1000"];
    expect(fruitless(one, 6, { most: 1, waitMs: 1_000 })).toEqual([...round, ...round]);
    const two = turns(["{1}a", "{1}b", "{2}a"], { waitsApart: true, cluster: true });
    expect(fruitless(two, 8, { waitMs: 1_000 })).toEqual([
      "{1}a",
      "{1}b",
      "{2}a",
      "{1}a {1}b for 200",
      "{2}a",
      "{1}a",
      "{1}b",
      "{2}a for 200",
    ]);
  });
});

test.each([
  ["each slot has one", false, [2, 1, 0]],
  ["each stream has one, where a wait is no look", true, [3, 2, 1]],
])("how many looks are left: %s", (_, waitsApart, left) => {
  const some = turns(["{1}a", "{1}b", "{2}a"], { waitsApart, cluster: true });
  const before = left.map(() => {
    const now = some.looksLeft;
    fruitless(some, 1);
    return now;
  });
  expect(before).toEqual(left);
});
