import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignId } from "../../../src/engine/produce/ids.ts";
import { addKeyedScript, KeyedEncoder } from "../../../src/redis/ops/add-keyed.ts";
import { ndjsonFormat } from "../../../src/entry/sources/line-source.ts";
import { readCommand } from "../../../src/redis/ops/sent.ts";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { keySlot, siblingPrefix } from "../../../src/redis/keys.ts";

const RULE = { kind: "keyed", field: "k", ttlMs: 5_000 } as const;

function encoder(trim: "none" | "length" = "none"): KeyedEncoder {
  const xadd = { noCreate: trim !== "none", trim, maxLength: 7, exact: false };
  return new KeyedEncoder({
    key: "orders",
    xadd,
    field: "k",
    markerPrefix: "orders:produced:",
    ttlMs: 5_000,
  });
}

function draftOf(fields: readonly (string | Buffer)[]): EntryDraft {
  const draft = new EntryDraft();
  draft.open(Buffer.alloc(0));
  for (const field of fields) draft.addBytes(Buffer.from(field));
  return draft;
}

function encode(by: KeyedEncoder, draft: EntryDraft): Buffer[] {
  const target = Buffer.alloc(by.size(draft));
  return readCommand(target.subarray(0, by.write(draft, target, 0)));
}

describe("an entry with an idempotency key", () => {
  test("is one call of the script, with its marker and the options of XADD", () => {
    const args = encode(encoder("length"), draftOf(["a", "1", "k", "x-1"])).map(String);
    expect(args).toEqual([
      "EVALSHA",
      addKeyedScript.sha,
      "2",
      "orders",
      "orders:produced:x-1",
      "5000",
      "NOMKSTREAM",
      "MAXLEN",
      "~",
      "7",
      "*",
      "a",
      "1",
      "k",
      "x-1",
    ]);
    expect(args[encoder("length").idIndex]).toBe("*");
  });

  test("fits into the room it asks for, whatever bytes it has; keys that differ have markers that differ", () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value));
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(bytes, fc.array(bytes, { maxLength: 20 }), (key, more) => {
        const fields = ["k", key, ...more.flatMap((value) => ["f", value])];
        const args = encode(encoder(), draftOf(fields));
        expect(args.slice(7)).toEqual(fields.map((field) => Buffer.from(field)));
        const marker = String(args[4]);
        expect(marker).toMatch(/^orders:produced:([\w.@:-]{1,64}|sha256-[0-9a-f]{64})$/);
        expect(seen.get(marker) ?? key.toString("hex")).toBe(key.toString("hex"));
        seen.set(marker, key.toString("hex"));
      }),
    );
  });

  test.each([
    ['{"a":"1"}', "there is no field k to take the idempotency key from"],
    ['{"k":""}', "the field k is empty: no idempotency key"],
    ['{"k": null}', "the field k is null: no idempotency key"],
  ])("%s has none, and must not pass for a copy of the next such line", (line, message) => {
    const draft = new EntryDraft();
    const bytes = Buffer.from(line);
    ndjsonFormat().decode(bytes, 0, bytes.length, draft);
    expect(() => assignId(RULE, draft, 1)).toThrow(message);
  });

  test.each(['{"k":"null"}', '{"k":0}', '{"k":false}'])("%s has one", (line) => {
    const draft = new EntryDraft();
    const bytes = Buffer.from(line);
    ndjsonFormat().decode(bytes, 0, bytes.length, draft);
    expect(() => assignId(RULE, draft, 1)).not.toThrow();
  });

  test("with more fields than a script can hand on is refused, and not lost in it", () => {
    const draft = draftOf(Array.from({ length: 8_000 }, (_, i) => (i === 0 ? "k" : "v")));
    expect(() => assignId(RULE, draft, 1)).toThrow("more than 3950 fields");
  });
});

describe("the markers of a stream", () => {
  test.each(["orders", "{t}orders", "orders{t}", "a{"])("of %s share its slot in a cluster", (key) => {
    const prefix = siblingPrefix(key, ":produced:", true);
    if (prefix === undefined) throw new Error("no prefix");
    for (const rest of ["", "1", "{x}", "}{y}"]) expect(keySlot(prefix + rest)).toBe(keySlot(key));
  });

  test.each(["a}b", "{}x", "a{}b{c}"])("of %s can't", (key) => {
    expect(siblingPrefix(key, ":produced:", true)).toBeUndefined();
    expect(siblingPrefix(key, ":produced:", false)).toBe(`${key}:produced:`);
  });
});
