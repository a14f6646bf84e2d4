import * as fc from "fast-check";
import { expect, test } from "vitest";
import { layOutJson } from "../../../src/output/json-layout.ts";

const plain = (text: string): string => text;
const PLAIN = { name: plain, string: plain, number: plain, word: plain };

function laidOut(text: string): string | undefined {
  return layOutJson(Buffer.from(text), PLAIN);
}

test("what is laid out is the same JSON", () => {
  fc.assert(
    fc.property(fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue())), (value) => {
      expect(JSON.parse(laidOut(JSON.stringify(value)) as string)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("numbers, escapes, and the order and repetition of names stay as they were written", () => {
  expect(laidOut(String.raw`{"b":1.10,"a":12345678901234567890,"b":"\u0041"}`)).toBe(
    String.raw`{"b": 1.10, "a": 12345678901234567890, "b": "\u0041"}`,
  );
});

test("what is short stays on a line, what is not gets lines of its own", () => {
  const long = "x".repeat(80);
  expect(laidOut(`{"a":[],"b":{},"c":["${long}",[1,2]]}`)).toBe(
    `{\n  "a": [],\n  "b": {},\n  "c": [\n    "${long}",\n    [1, 2]\n  ]\n}`,
  );
});

test.each(["", "text", "1", '"a"', "{", "[1,]", "[".repeat(5_000), `[${" ".repeat(1_100_000)}]`])(
  "what is no JSON with parts, or too large, is not laid out: %#",
  (text) => {
    expect(laidOut(text)).toBeUndefined();
  },
);

test("nothing of it is sent to a terminal", () => {
  expect(laidOut('["\u009b31m\u202e"]')).toBe(String.raw`["\u009b31m\u202e"]`);
});
