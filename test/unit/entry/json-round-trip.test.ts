import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { JsonDecoder } from "../../../src/entry/json-decode.ts";
import { entryPrefix, JsonBytes, writeEntry } from "../../../src/entry/json-encode.ts";
import { entryPieces } from "../../../src/entry/json-pieces.ts";
import { entryId } from "../../support/ids.ts";

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const words = fc
  .oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "",
      "10",
      "__proto__",
      "constructor",
      "base64",
      '"',
      "\\",
      "\u0000",
      "\u2028",
      "\u007f",
      "\ufffd",
    ),
  )
  .map((text) => Buffer.from(text));
const name = fc.oneof({ weight: 3, arbitrary: words }, { weight: 1, arbitrary: bytes });
const pair = fc.tuple(name, fc.oneof(words, bytes));
const fields = fc.array(pair, { minLength: 1, maxLength: 24 }).map((list) => list.flat());

function print(stream: Buffer, id: string, list: Buffer[]): Buffer {
  const out = new JsonBytes(16);
  writeEntry(
    out,
    entryPrefix(stream),
    { id: entryId(id), fields: list },
    { deliveries: 2, idleMs: 7, consumer: "c\n1" },
  );
  return Buffer.from(out.take());
}

function read(line: Buffer): EntryDraft {
  const draft = new EntryDraft();
  new JsonDecoder().entry(line, 0, line.length, draft);
  return draft;
}

describe("an entry printed as JSON and read again", () => {
  test("property: is the same, byte for byte, in the same order", () => {
    fc.assert(
      fc.property(bytes, fields, (stream, list) => {
        const draft = read(print(stream, "1694012345678-18446744073709551615", list));
        expect(draft.id).toBe("1694012345678-18446744073709551615");
        expect(draft.fields()).toEqual(list);
      }),
      { numRuns: 1_000 },
    );
  });

  test("property: is JSON, and other programs see the same text", () => {
    fc.assert(
      fc.property(fields, (list) => {
        const value = JSON.parse(print(Buffer.from("s"), "1-0", list).toString()) as { fields: unknown };
        const repeated =
          new Set(list.filter((_, i) => i % 2 === 0).map((n) => n.toString("latin1"))).size * 2 < list.length;
        if (repeated) expect(Array.isArray(value.fields)).toBe(true);
        expect(value).toMatchObject({ stream: "s", id: "1-0", deliveries: 2, idleMs: 7, consumer: "c\n1" });
      }),
    );
  });

  test("a line end inside a value does not break the line", () => {
    const line = print(Buffer.from("s"), "1-0", [Buffer.from("a\nb"), Buffer.from("c\r\nd\u0085")]);
    expect(line.includes("\n")).toBe(false);
  });

  test("pieces of a large entry make the same text", () => {
    const values = [
      Buffer.alloc(700_000, "x"),
      Buffer.alloc(700_001, 0xfe),
      Buffer.from("ä\n".repeat(300_000)),
    ];
    const fields = values.flatMap((value, n) => [Buffer.from(`v${n}`), value]);
    const out = new JsonBytes();
    writeEntry(out, entryPrefix("s"), { id: entryId("1-1"), fields });
    const pieces = [...entryPieces(entryPrefix("s"), { id: entryId("1-1"), fields }, {}, "")];
    expect(pieces.length).toBeGreaterThan(5);
    expect(Buffer.concat(pieces).equals(out.take())).toBe(true);
  });

  test("values of several megabytes survive", () => {
    const huge = [
      Buffer.from("text"),
      Buffer.alloc(3_000_000, 'é"\\'),
      Buffer.from("raw"),
      Buffer.alloc(3_000_000, 0xff),
    ];
    const again = read(print(Buffer.from("s"), "1-0", huge)).fields();
    expect(again.map((value, i) => value.equals(huge[i] as Buffer))).toEqual([true, true, true, true]);
  });

  test("an entry with thousands of fields survives", () => {
    const many = Array.from({ length: 20_000 }, (_, i) => Buffer.from(`f${i}`));
    expect(read(print(Buffer.from("s"), "1-0", many)).fields()).toEqual(many);
  });
});
