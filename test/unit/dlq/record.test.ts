import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeLetter } from "../../../src/engine/dlq/layout.ts";
import { type DeadLetterFacts, encodeRecord } from "../../../src/engine/dlq/record.ts";
import { textFields } from "../../../src/entry/entry.ts";
import type { EntryId } from "../../../src/entry/id.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

const facts: DeadLetterFacts = {
  stream: streamKey("orders"),
  id: entryId("1694012345678-0"),
  group: groupName("billing"),
  consumer: "host-7",
  deliveries: 5,
  reason: "exit 1",
  exit: "1",
  stderr: Buffer.from("no such customer\n"),
  failedAt: new Date("2026-11-03T10:00:00.123Z"),
  replays: 2,
};

const bytes = fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array));
const name = fc.oneof(
  bytes,
  fc.constantFrom("dlq.stream", "dlq.id", "dlq.replays", "a").map((text) => Buffer.from(text)),
);
const anyFields = fc.array(fc.tuple(name, bytes), { maxLength: 8 }).map((pairs) => pairs.flat());

describe("dead-letter record", () => {
  test("keeps the original's fields first, byte for byte, whatever they are called", () => {
    fc.assert(
      fc.property(anyFields, fc.option(fc.string(), { nil: undefined }), (fields, exit) => {
        const record = encodeRecord(fields, { ...facts, exit });
        const letter = decodeLetter({ id: entryId("9-0"), fields: record });
        expect(record.slice(0, fields.length)).toEqual(fields);
        expect(letter.layout).toBe("native");
        expect(Buffer.concat(letter.fields as Buffer[])).toEqual(Buffer.concat(fields));
        expect(letter.fields).toHaveLength(fields.length);
        expect(letter.exit).toBe(exit ?? null);
      }),
    );
  });

  test("gives back every fact", () => {
    expect(
      decodeLetter({ id: entryId("9-0"), fields: encodeRecord(textFields([["a", "1"]]), facts) }),
    ).toMatchObject({
      id: "9-0",
      layout: "native",
      doubt: undefined,
      fields: textFields([["a", "1"]]),
      stream: "orders",
      originalId: "1694012345678-0",
      group: "billing",
      consumer: "host-7",
      deliveries: 5,
      reason: "exit 1",
      exit: "1",
      stderr: Buffer.from("no such customer\n"),
      failedAt: facts.failedAt,
      replays: 2,
    });
  });

  test("a dead letter that was dead-lettered again unwraps one layer at a time", () => {
    const once = encodeRecord(textFields([["a", "1"]]), facts);
    const twice = encodeRecord(once, {
      ...facts,
      stream: streamKey("orders:dlq"),
      group: groupName("repair"),
    });
    const outer = decodeLetter({ id: entryId("9-0"), fields: twice });
    expect([outer.stream, outer.group]).toEqual(["orders:dlq", "repair"]);
    expect(outer.fields).toEqual(once);
    expect(decodeLetter({ id: entryId("8-0"), fields: outer.fields }).group).toBe("billing");
  });

  test("keeps the end of a long stderr", () => {
    const stderr = Buffer.from(`${"x".repeat(5_000)}last words`);
    const letter = decodeLetter({ id: entryId("9-0"), fields: encodeRecord([], { ...facts, stderr }) });
    expect(letter.stderr).toHaveLength(4_096);
    expect(letter.stderr?.toString().endsWith("last words")).toBe(true);
  });

  test.each([
    ["no facts at all", textFields([["a", "1"]])],
    ["a field after the block", [...encodeRecord([], facts), ...textFields([["b", "2"]])]],
    ["a block without its start", encodeRecord([], facts).slice(2)],
    ["an ID that is none", encodeRecord([], { ...facts, id: "soon" as EntryId })],
    ["nothing", []],
  ])("%s is a copied entry, all of its fields its own", (_, fields) => {
    const letter = decodeLetter({ id: entryId("9-0"), fields });
    expect(letter.layout).toBe("copied");
    expect(letter.fields).toEqual(fields);
    expect(letter.group).toBeNull();
  });
});
