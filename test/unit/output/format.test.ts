import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { JsonBytes } from "../../../src/entry/json-encode.ts";
import { fitWidth } from "../../../src/output/fit.ts";
import { agoText, durationText, fieldsText, sizeText, writeJson } from "../../../src/output/format.ts";
import type { JsonValue } from "../../../src/output/column.ts";
import { formatNumber } from "../../../src/units.ts";

describe("forms for people", () => {
  test.each([
    [0, "0"],
    [9_999, "9999"],
    [10_000, "10\u202f000"],
    [1_234_567, "1\u202f234\u202f567"],
  ])("number %d", (value, text) => expect(formatNumber(value)).toBe(text));

  test.each([
    [null, "-"],
    [0, "0 B"],
    [1_023, "1023 B"],
    [1_536, "1.5 kB"],
    [250 * 1024 * 1024, "250 MB"],
  ])("size %s", (value, text) => expect(sizeText(value)).toBe(text));

  test("an age, and one that the clocks put into the future", () => {
    const at = new Date("2026-11-03T10:00:00Z");
    expect(agoText(at, at.getTime() + 2 * 3_600_000)).toBe("2h ago");
    expect(agoText(at, at.getTime() - 50)).toBe("0ms ago");
    expect(agoText(null, 0)).toBe("-");
    expect(durationText(null)).toBe("-");
  });

  test("fields: binary escaped, a huge value cut between characters", () => {
    expect(fieldsText([...textFields([["a", "1"]]), Buffer.from("b"), Buffer.from([0xff, 0x1b])])).toBe(
      "a=1 b=\\xff\\e",
    );
    const huge = fieldsText(textFields([["text", `x${"é".repeat(1_000_000)}`]]));
    expect(huge.length).toBeLessThan(2_000);
    expect(huge).toMatch(/^text=xé+$/);
  });

  test.each([
    ["orders", 10, "orders"],
    ["orders", 6, "orders"],
    ["orders", 5, "orde…"],
    ["注文注文", 8, "注文注文"],
    ["注文注文", 7, "注文注…"],
    ["注文注文", 6, "注文…"],
    ["abc", 0, ""],
  ])("%s in %d columns", (text, width, fitted) => expect(fitWidth(text, width)).toBe(fitted));
});

describe("JSON of a value", () => {
  test.each<[JsonValue, string]>([
    [null, "null"],
    [true, "true"],
    [1.5, "1.5"],
    ['quote " and é', '"quote \\" and é"'],
    [Buffer.from([0xff]), '{"base64":"/w=="}'],
    [["a", 1, [null]], '["a",1,[null]]'],
    [{ a: { b: "c" }, d: [] }, '{"a":{"b":"c"},"d":[]}'],
  ])("%o", (value, json) => {
    const out = new JsonBytes();
    writeJson(out, value);
    expect(out.take().toString()).toBe(json);
  });
});
