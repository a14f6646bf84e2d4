import * as fc from "fast-check";
import { expect, test } from "vitest";
import { exactNumber, jsonText, parseJson } from "../../../src/entry/json-parse.ts";

const parse = (text: string): unknown => parseJson(Buffer.from(text));

test("reads what JSON.parse reads", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parse(text)).toEqual(JSON.parse(text));
      const value = parse(`{"a":${text}}`) as { a: unknown };
      expect(JSON.parse(jsonText(value, "a", value.a))).toEqual(JSON.parse(text));
    }),
  );
  expect(Object.keys(parse('{"__proto__":{"x":1},"constructor":2}') as object)).toEqual([
    "__proto__",
    "constructor",
  ]);
});

test("keeps the text of numbers that JavaScript does not hold", () => {
  const list = parse("[12345678901234567890, 0.1, 1e400, 9007199254740993.5, 1.0]") as number[];
  const texts = list.map((value, index) => exactNumber(list, index, value));
  expect(texts).toEqual(["12345678901234567890", "0.1", "1e400", "9007199254740993.5", "1"]);
});

test.each([
  ['{"a":1,"a":1}', 'the name "a" is repeated'],
  ['[{"a":{"b":1,"\\u0062":2}}]', 'the name "b" is repeated'],
  ['{"__proto__":1,"__proto__":2}', 'the name "__proto__" is repeated'],
  ["[1,]", "expected a value"],
  ["01", "text after the JSON value"],
  ["", "expected a value"],
  ["[".repeat(600), "nested deeper than 512"],
])("%s: %s", (text, reason) => {
  expect(() => parse(text)).toThrow(reason);
});
