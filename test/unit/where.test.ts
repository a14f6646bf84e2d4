import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entryFilter, parseCondition, type Condition } from "../../src/engine/where.ts";
import { textFields } from "../../src/entry/entry.ts";

function condition(text: string): Condition {
  const parsed = parseCondition(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

function fits(where: string | string[], pairs: readonly (readonly [string, string])[]): boolean {
  return entryFilter([where].flat().map(condition)).fits({ fields: textFields(pairs) });
}

describe("where", () => {
  test.each([
    ["status=paid", [["status", "paid"]], true],
    ["status=paid", [["status", "paid "]], false],
    ["status=", [["status", ""]], true],
    ["status=", [["other", ""]], false],
    ["=v", [["", "v"]], true],
    ["a=b=c", [["a", "b=c"]], true],
    ["a=b~c", [["a", "b~c"]], true],
    ["a~b=c", [["a", "xb=cx"]], true],
    ["status!=paid", [["status", "open"]], true],
    ["status!=paid", [["status", "paid"]], false],
    ["status!=paid", [["other", "paid"]], true],
    [
      "tag=x",
      [
        ["tag", "a"],
        ["tag", "x"],
      ],
      true,
    ],
    [
      "tag!=x",
      [
        ["tag", "a"],
        ["tag", "x"],
      ],
      false,
    ],
    ["id~^ord-\\d+$", [["id", "ord-17"]], true],
    ["id~^ord-\\d+$", [["id", "ord-17x"]], false],
    ["id!~^ord-", [["id", "ret-1"]], true],
    ["id!~^ord-", [["id", "ord-1"]], false],
    ["id!~^ord-", [], true],
    ["name~(?i)ANNA", [["name", "hanna"]], true],
    ["name~ANNA", [["name", "hanna"]], false],
    ["text~a.b", [["text", "a\nb"]], true],
    ["name~^.$", [["name", "😀"]], true],
  ] as [string, [string, string][], boolean][])("%s on %j is %s", (where, pairs, expected) => {
    expect(fits(where, pairs)).toBe(expected);
  });

  test("all conditions must hold", () => {
    const pairs: [string, string][] = [
      ["a", "1"],
      ["b", "2"],
    ];
    expect(fits(["a=1", "b=2"], pairs)).toBe(true);
    expect(fits(["a=1", "b=3"], pairs)).toBe(false);
  });

  test("a value is compared as bytes, and a binary one is searched byte by byte", () => {
    const fields = [Buffer.from("blob"), Buffer.from([0x00, 0xff, 0x41])];
    const entry = { fields };
    expect(entryFilter([condition("blob~^\\x00\\xffA$")]).fits(entry)).toBe(true);
    expect(entryFilter([condition("blob=\u0000ÿA")]).fits(entry)).toBe(false);
  });

  test("what is no condition is refused with a reason", () => {
    expect(parseCondition("status")).toMatch(/field=value/);
    expect(parseCondition("a~(")).toMatch(/regular expression/i);
  });

  test("exactly one of a condition and its negation holds, whatever the entry", () => {
    const text = fc.constantFrom("", "a", "b", "ab", "=", "~");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text), { maxLength: 5 }),
        fc.constantFrom("a", "b"),
        text,
        (pairs, field, value) => {
          expect(fits(`${field}=${value}`, pairs)).toBe(!fits(`${field}!=${value}`, pairs));
          expect(fits(`${field}~^${value}`, pairs)).toBe(!fits(`${field}!~^${value}`, pairs));
          expect(fits(`${field}=${value}`, pairs)).toBe(
            pairs.some(([name, at]) => name === field && at === value),
          );
        },
      ),
    );
  });
});
