import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choosePartition, partitionKeys, partitionOf } from "../../../src/engine/produce/partitions.ts";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { keySlot } from "../../../src/redis/keys.ts";

function draftOf(...fields: string[]): EntryDraft {
  const draft = new EntryDraft();
  draft.open(Buffer.alloc(0));
  for (const field of fields) draft.addBytes(Buffer.from(field));
  return draft;
}

describe("the partition of a value", () => {
  test("is the CRC-32 that others compute, too: a changed one would tear keys apart", () => {
    // The check value of the catalogue of CRCs.
    expect(partitionOf(Buffer.from("123456789"), 2 ** 32)).toBe(0xcbf43926);
    expect(partitionOf(Buffer.alloc(0), 8)).toBe(0);
    expect(["c-1", "c-2", "c-3", "é"].map((value) => partitionOf(Buffer.from(value), 8))).toEqual([
      0xc424f6be % 8,
      0x5d2da704 % 8,
      0x2a2a9792 % 8,
      partitionOf(Buffer.from([0xc3, 0xa9]), 8),
    ]);
  });

  test("is one of those there are, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 1_024 }), (value, count) => {
        const partition = partitionOf(value, count);
        return partition >= 0 && partition < count;
      }),
    );
  });

  test("comes from the first field of that name, and a line without it is bad", () => {
    const rule = { count: 1_000, field: "k" };
    const chosen = choosePartition(rule, draftOf("a", "1", "k", "x", "k", "y"), 7);
    expect(chosen).toBe(partitionOf(Buffer.from("x"), 1_000));
    expect(() => choosePartition(rule, draftOf("a", "k"), 7)).toThrow("there is no field k");
  });
});

describe("the names of partitions", () => {
  test("are the stream's with a number; without partitions it is the stream", () => {
    expect(partitionKeys(streamKey("orders"), { count: 3, field: "k" }, true)).toEqual([
      "orders:0",
      "orders:1",
      "orders:2",
    ]);
    expect(partitionKeys(streamKey("orders"), undefined, true)).toEqual(["orders"]);
  });

  test("lie in slots of their own", () => {
    const keys = partitionKeys(streamKey("orders"), { count: 10, field: "k" }, true);
    expect(new Set(keys.map(keySlot)).size).toBe(10);
  });

  test("with a tag they would all share one: refused where slots matter", () => {
    const rule = { count: 3, field: "k" };
    expect(() => partitionKeys(streamKey("{orders}"), rule, true)).toThrow("would all share one slot");
    expect(partitionKeys(streamKey("{orders}"), rule, false)).toHaveLength(3);
  });
});
