import { describe, expect, test } from "vitest";
import type { Job } from "../../../src/engine/handlers/handler.ts";
import {
  inputLine,
  type Payload,
  piecesOf,
  stdinFor,
  type StdinForm,
} from "../../../src/engine/handlers/payload.ts";
import { entryPrefix, JsonBytes, writeEntry, writeFields } from "../../../src/entry/json-encode.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

function job(...fields: (string | Buffer)[]): Job {
  const bytes = fields.map((field) => (Buffer.isBuffer(field) ? field : Buffer.from(field)));
  return {
    stream: streamKey("orders"),
    entry: { id: entryId("1694012345678-0"), fields: bytes },
    deliveries: 2,
  };
}

/** All of a payload, however it is given. */
function bytesOf(payload: Payload | undefined): Buffer | undefined {
  return payload && Buffer.concat([...piecesOf(payload)]);
}

function textFor(entry: Job, form: StdinForm): string | undefined {
  return bytesOf(stdinFor(entry, form, "c"))?.toString();
}

describe("what a handler gets", () => {
  test("the entry's JSON line with what is known of it", () => {
    expect(textFor(job("a", "1"), { kind: "entry" })).toBe(
      '{"stream":"orders","id":"1694012345678-0","fields":{"a":"1"},"deliveries":2,"consumer":"c"}\n',
    );
  });

  test("the fields alone, one field's raw bytes, or nothing", () => {
    const entry = job("a", "1", "raw", Buffer.from([0, 255, 10]));
    expect(textFor(entry, { kind: "fields" })).toBe('{"a":"1","raw":{"base64":"AP8K"}}\n');
    const raw = stdinFor(entry, { kind: "field", name: "raw", optional: false }, "c");
    expect(bytesOf(raw)).toEqual(Buffer.from([0, 255, 10]));
    expect(textFor(entry, { kind: "none" })).toBe("");
  });

  test("nothing to run on when a field is missing that must be there", () => {
    expect(stdinFor(job("a", "1"), { kind: "field", name: "b", optional: false }, "c")).toBeUndefined();
    expect(textFor(job("a", "1"), { kind: "field", name: "b", optional: true })).toBe("");
  });

  test.each([
    ["text of several bytes a letter", Buffer.from('aä€😀"\n\u0001'.repeat(150_000))],
    ["bytes that are no text", Buffer.alloc(2_000_001, 0xfe)],
  ])("a large entry in pieces, that make the same line: %s", (_, value) => {
    const entry = job("small", "1", "large", value, "last", "z");
    const payload = stdinFor(entry, { kind: "entry" }, "c") as Payload;
    expect(Buffer.isBuffer(payload)).toBe(false);
    for (const piece of piecesOf(payload)) expect(piece.length).toBeLessThan(2_000_000);
    const whole = new JsonBytes();
    writeEntry(whole, entryPrefix("orders"), entry.entry, { deliveries: 2, consumer: "c" });
    expect(bytesOf(payload)?.equals(whole.byte(0x0a).take())).toBe(true);
    const fields = new JsonBytes();
    writeFields(fields, entry.entry.fields);
    expect(bytesOf(stdinFor(entry, { kind: "fields" }, "c"))?.equals(fields.byte(0x0a).take())).toBe(true);
  });

  test.each([
    [{ kind: "entry" }, /^\{"stream":"orders".*\}\n$/],
    [{ kind: "fields" }, /^\{"a":"1"\}\n$/],
    [{ kind: "field", name: "a", optional: false }, /^1\n$/],
    [{ kind: "field", name: "b", optional: true }, /^\n$/],
    [{ kind: "none" }, /^$/],
  ] as [StdinForm, RegExp][])("one line among others, whatever the form: %j", (form, expected) => {
    const input = inputLine(job("a", "1"), form, "c");
    expect("line" in input && bytesOf(input.line)?.toString()).toMatch(expected);
  });

  test.each([
    ["missing", job(), "no field a"],
    ["more than one line", job("a", "1\n2"), "field a holds a line end"],
  ])("a field that is %s is no line: its entry is dead", (_what, entry, reason) => {
    expect(inputLine(entry, { kind: "field", name: "a", optional: false }, "c")).toMatchObject({
      outcome: { kind: "answer", answer: "dead", reason: expect.stringContaining(reason) },
    });
  });
});
