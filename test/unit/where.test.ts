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
    expect(parseCondition("")).toMatch(/field=value/);
    expect(parseCondition("a<b")).toMatch(/a number or a time/);
    expect(parseCondition("a~(")).toMatch(/regular expression/i);
  });

  const order = {
    payload: `{"customer":{"id":42,"name":"Ann \\u00e9"},"big":9007199254740993,"price":19.90,"on":true,"none":null,
      "items":[{"sku":"A-1","n":1},{"sku":"B-2","n":2}],"a.b":"dots","x=y":"sign","at":"2026-03-01T12:00:00.000000002Z"}`,
    "payload.flat": "own name",
    list: `[10, [20, 21]]`,
    amount: "9007199254740993",
    price: "1e3",
    created: "2026-03-01T14:00:00+02:00",
    text: "twelve",
    "[0]": "brackets",
  };

  test.each([
    ["payload.customer.id=42", true],
    ["payload.customer.id=42.0", true],
    ["payload.customer.id=4.2e1", true],
    ["payload.customer.id=043", false],
    ["payload.customer.id!=42", false],
    ["payload.customer.name=Ann é", true],
    ["payload.customer.name~^Ann .$", true],
    ["payload.customer", true],
    ["payload.none", true],
    ["payload.none=null", true],
    ["payload.on=true", true],
    ["payload.missing", false],
    ["payload.missing!=1", true],
    ["payload.items[0].sku~^A", true],
    ["payload.items[1].sku~^A", false],
    ["payload.items.1.sku=B-2", true],
    ["payload.items[2]", false],
    ["payload.items[*].n>1", true],
    ["payload.items[*].n>2", false],
    ["payload.items[*].sku!=B-2", false],
    ['payload["a.b"]=dots', true],
    ["payload.a.b=dots", false],
    ['payload["x=y"]=sign', true],
    ["payload.flat=own name", true],
    ["payload.flat.deeper", false],
    ["list[0]=10", true],
    ["list[1][1]=21", true],
    ["list.0=10", true],
    ["[0]=brackets", true],
    ['["payload.flat"]=own name', true],
    ['["list"][0]=10', true],
    ["payload.big>9007199254740992", true],
    ["payload.big>=9007199254740994", false],
    ["payload.big=9007199254740992", false],
    ["amount<9007199254740994", true],
    ["amount<=9007199254740993", true],
    ["amount>9007199254740993", false],
    ["amount>9007199254740992.9", true],
    ["payload.price<19.91", true],
    ["payload.price>19.89", true],
    ["price>999", true],
    ["price>-5", true],
    ["text>0", false],
    ["text<=0", false],
    ["text", true],
    ["nothing", false],
    ["created>=2026-03-01T12:00:00Z", true],
    ["created<2026-03-01T12:00:00Z", false],
    ["payload.at>2026-03-01T12:00:00.000000001Z", true],
    ["amount>2026-03-01", false],
    ["text.a.b=1", false],
    ["text.a.b!=1", true],
  ])("inside values: %s is %s", (where, expected) => {
    expect(fits(where, Object.entries(order))).toBe(expected);
  });

  test.each(["{", '{"a":1}x', '{"a":1,}', "[1", '{"a":01}', `${'{"a":'.repeat(600)}1${"}".repeat(600)}`])(
    "what is no JSON does not match, and is no error: %s",
    (payload) => {
      expect(fits("payload.a", [["payload", payload]])).toBe(false);
      expect(fits("payload.a!=1", [["payload", payload]])).toBe(true);
    },
  );

  test("a repeated name in JSON is looked at in all its places, as a repeated field is", () => {
    expect(fits("p.a=2", [["p", '{"a":1,"a":2}']])).toBe(true);
    expect(fits("p.a=1", [["p", '{"a":1,"a":2}']])).toBe(true);
    expect(
      fits("p.a=2", [
        ["p", "{}"],
        ["p", '{"a":2}'],
      ]),
    ).toBe(true);
  });

  test("a path finds what JSON.parse finds", () => {
    const name = fc.constantFrom("a", "b", "", "a.b", "é", '"', "0", "[");
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.array(fc.oneof(name, fc.nat(3)), { minLength: 1, maxLength: 4 }),
        (json, path) => {
          const text = path
            .map((step) => (typeof step === "number" ? `[${step}]` : `[${JSON.stringify(step)}]`))
            .join("");
          let value: unknown = json;
          for (const step of path) {
            const inside =
              Array.isArray(value) === (typeof step === "number") &&
              typeof value === "object" &&
              value !== null;
            value =
              inside && Object.hasOwn(value as object, step)
                ? (value as Record<string, unknown>)[step]
                : undefined;
          }
          const found = fits(`p${text}`, [["p", JSON.stringify(json)]]);
          expect(found).toBe(value !== undefined);
          if (typeof value === "string")
            expect(fits(`p${text}=${value}`, [["p", JSON.stringify(json)]])).toBe(true);
        },
      ),
    );
  });

  test("numbers compare as numbers do, however long and however written", () => {
    const number = fc.tuple(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), fc.nat(4));
    const textOf = ([whole, zeros]: [bigint, number]): string => `${whole}.${"0".repeat(zeros + 1)}`;
    fc.assert(
      fc.property(number, number, (x, y) => {
        for (const value of [textOf(x), String(x[0])]) {
          expect(fits(`n<${textOf(y)}`, [["n", value]])).toBe(x[0] < y[0]);
          expect(fits(`n>=${y[0]}`, [["n", value]])).toBe(x[0] >= y[0]);
          expect(fits(`p.n<=${y[0]}`, [["p", `{"n":${value}}`]])).toBe(x[0] <= y[0]);
        }
      }),
    );
  });

  test("any text is a condition or refused, and never throws", () => {
    const piece = fc.constantFrom("a", ".", "[", "]", "0", "*", '"', "\\", "=", "!", "~", "<", ">", "é", "1");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const parsed = parseCondition(pieces.join(""));
        if (typeof parsed !== "string")
          entryFilter([parsed]).fits({ fields: textFields(Object.entries(order)) });
      }),
    );
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
