import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { decodeRecord, recordSize, writeRecord } from "../../../src/redis/ops/scheduled-record.ts";

function recordOf(strings: readonly (string | Buffer)[]): Buffer {
  const draft = new EntryDraft();
  draft.open(Buffer.alloc(0));
  for (const string of strings) draft.addBytes(Buffer.from(string as string));
  const size = recordSize(draft);
  const target = Buffer.alloc(size + 8);
  expect(writeRecord(draft, target, 4)).toBe(size + 4);
  return target.subarray(4, size + 4);
}

test.each([
  ["short strings", ["a", "1", "a", "", "", "x"]],
  [
    "each size of head",
    ["a", "x".repeat(31), "b", "x".repeat(32), "c", "x".repeat(65_535), "d", "x".repeat(65_536)],
  ],
  ["15 and 16 strings and more", Array.from({ length: 16 }, (_, n) => String(n))],
  ["many", Array.from({ length: 70_000 }, (_, n) => String(n % 7))],
  ["bytes that are no text", ["\u0000", Buffer.from([255, 0, 128]).toString("latin1")]],
])("a record gives back its bytes: %s", (_, strings) => {
  const record = decodeRecord(recordOf(strings));
  expect(record).toEqual({ kind: "entry", fields: strings.map((string) => Buffer.from(string)) });
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["text", Buffer.from("no record")],
  ["an empty array", Buffer.from([0x90])],
  ["a number of strings that is neither", recordOf(["a"])],
  ["what is cut off", recordOf(["abc", "def"]).subarray(0, 6)],
  ["what goes on", Buffer.concat([recordOf(["a", "b"]), Buffer.from("x")])],
  ["more strings than bytes", Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
])("%s is unreadable, and no error", (_, bytes) => {
  expect(decodeRecord(bytes)).toEqual({ kind: "unreadable" });
});

test("three strings are what was put off", () => {
  expect(decodeRecord(recordOf(["g", "1-1", "later"]))).toEqual({
    kind: "putOff",
    group: "g",
    id: "1-1",
    reason: "later",
  });
});
