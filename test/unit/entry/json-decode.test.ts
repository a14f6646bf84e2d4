import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { JsonDecoder } from "../../../src/entry/json-decode.ts";
import { JsonFault, MAX_DEPTH } from "../../../src/entry/json-scan.ts";

const decoder = new JsonDecoder();

function object(text: string | Buffer): [string, string][] {
  const draft = new EntryDraft();
  const line = Buffer.from(text as string);
  decoder.object(line, 0, line.length, draft);
  return pairs(draft);
}

function pairs(draft: EntryDraft): [string, string][] {
  const strings = draft.fields().map(String);
  return strings.flatMap((name, i) => (i % 2 === 0 ? [[name, strings[i + 1] as string]] : []));
}

function fault(text: string | Buffer, form: "object" | "entry" = "object"): JsonFault {
  const draft = new EntryDraft();
  const line = Buffer.from(text as string);
  try {
    decoder[form](line, 0, line.length, draft);
  } catch (error) {
    if (error instanceof JsonFault) return error;
    throw error;
  }
  throw new Error(`accepted: ${text.toString()}`);
}

describe("one field per key", () => {
  test.each([
    ["a 64-bit integer keeps its digits", '{"n":9223372036854775807}', [["n", "9223372036854775807"]]],
    ["a trailing zero stays", '{"price":1.10}', [["price", "1.10"]]],
    [
      "a number no double holds",
      '{"n":1e400,"m":-0.0E-7}',
      [
        ["n", "1e400"],
        ["m", "-0.0E-7"],
      ],
    ],
    ["nested JSON keeps its spacing", '{"p": { "b" : [1,  2] } }', [["p", '{ "b" : [1,  2] }']]],
    [
      "words",
      '{"t":true,"f":false,"n":null}',
      [
        ["t", "true"],
        ["f", "false"],
        ["n", "null"],
      ],
    ],
    [
      "keys like numbers stay where they are",
      '{"10":"a","9":"b","x":"c"}',
      [
        ["10", "a"],
        ["9", "b"],
        ["x", "c"],
      ],
    ],
    [
      "__proto__ is a key like any other",
      '{"__proto__":"x","a":"1"}',
      [
        ["__proto__", "x"],
        ["a", "1"],
      ],
    ],
    [
      "a repeated key is a repeated field",
      '{"a":"1","a":"2"}',
      [
        ["a", "1"],
        ["a", "2"],
      ],
    ],
    ["empty names and values", '{"":""}', [["", ""]]],
    [
      "escapes are undone, in names too",
      String.raw`{"\u0061\n":"\"\\\/\b\f\n\r\t\u00e9"}`,
      [["a\n", '"\\/\b\f\n\r\té']],
    ],
    ["a surrogate pair is one character", String.raw`{"a":"\ud83d\ude00"}`, [["a", "😀"]]],
    [
      "an escape inside nested JSON is not undone",
      String.raw`{"a":["\u0041\ud800"]}`,
      [["a", String.raw`["\u0041\ud800"]`]],
    ],
    [
      "white space anywhere",
      ' \t{ "a" :\r "b" , "c":1 } ',
      [
        ["a", "b"],
        ["c", "1"],
      ],
    ],
  ])("%s", (_, text, expected) => {
    expect(object(text)).toEqual(expected);
  });

  test.each([
    ["not an object", "1", 0, "expected a JSON object"],
    [
      "a file that is one array, as -o json prints",
      '[{"a":1},',
      0,
      "expected a JSON object a line, not an array: jq -c '.[]' makes lines of one",
    ],
    ["no keys", "{}", 1, "an object without keys: an entry needs a field"],
    ["a key that is no string", "{a:1}", 1, "expected a string"],
    ["no colon", '{"a" 1}', 5, 'expected ":"'],
    ["a comma too many", '{"a":1,}', 7, "expected a string"],
    ["no comma", '{"a":1 "b":2}', 7, 'expected "," or "}"'],
    ["something after it", '{"a":1} x', 8, "text after the JSON value"],
    ["a leading zero", '{"a":01}', 6, 'expected "," or "}"'],
    ["a number without digits", '{"a":-}', 6, "expected a digit"],
    ["a bare point", '{"a":1.}', 7, "expected a digit"],
    ["an empty exponent", '{"a":1e+}', 8, "expected a digit"],
    ["a misspelt word", '{"a":nul}', 5, "expected null"],
    ["a single quote", "{'a':1}", 1, "expected a string"],
    ["a fault deep inside", '{"a":{"b":[1,]}}', 13, "expected a value"],
    ["an escape that is none", String.raw`{"a":"\x41"}`, 6, "no such escape"],
    ["a short \\u", String.raw`{"a":"\u00g1"}`, 6, "\\u needs four hexadecimal digits"],
    [
      "half a surrogate pair",
      String.raw`{"a":"\ud800x"}`,
      6,
      "half a surrogate pair: no UTF-8 stands for it",
    ],
    [
      "the wrong half first",
      String.raw`{"a":"\ude00\ud83d"}`,
      6,
      "half a surrogate pair: no UTF-8 stands for it",
    ],
  ])("refuses %s, and says where", (_, text, at, reason) => {
    expect(fault(text)).toMatchObject({ message: reason, at, cutOff: false });
  });

  test("a control character in a string is refused", () => {
    expect(fault('{"a":"\u0001"}')).toMatchObject({
      at: 6,
      message: expect.stringContaining("control character"),
    });
  });

  test("bytes that are not UTF-8 are refused where they stand, also in nested values", () => {
    expect(fault(Buffer.from('{"é":"\xff"}', "latin1"))).toMatchObject({ at: 2, message: "not UTF-8" });
    const nested = Buffer.concat([Buffer.from('{"é":["'), Buffer.from([0xc3, 0x28]), Buffer.from('"]}')]);
    expect(fault(nested)).toMatchObject({ at: 8, message: "not UTF-8" });
  });

  test.each(['{"a":1', '{"a":"x', '{"a":"\\', '{"a":"\\u00', '{"a":tr', '{"a":[1,', '{"a"', "{"])(
    "%s is recognised as cut off",
    (text) => expect(fault(text)).toMatchObject({ cutOff: true }),
  );

  test("nesting is bounded, so that hostile text can't exhaust the stack", () => {
    const nested = (depth: number): string => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(object(nested(MAX_DEPTH))).toHaveLength(1);
    expect(fault(nested(MAX_DEPTH + 1)).message).toBe(`nested deeper than ${MAX_DEPTH}`);
    expect(fault(`{"a":${"[".repeat(1_000_000)}`).message).toBe(`nested deeper than ${MAX_DEPTH}`);
  });

  test("property: what JSON.parse makes of a flat object is what arrives", () => {
    const values = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue(), { minKeys: 1 });
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        const expected = Object.entries(JSON.parse(text) as Record<string, unknown>);
        const got = object(text).map(([name, v], i) => [
          name,
          typeof expected[i]?.[1] === "string" ? v : JSON.parse(v),
        ]);
        expect(got).toEqual(expected);
      }),
    );
  });

  test("property: it accepts exactly what JSON.parse accepts, whatever one byte is changed to", () => {
    const base = String.raw`{"a":"x\u00e9\n","b":[1.5e3,-0,{"c":null}],"d":true}`;
    fc.assert(
      fc.property(fc.nat(base.length - 1), fc.integer({ min: 0x09, max: 0x7e }), (at, code) => {
        const text = base.slice(0, at) + String.fromCharCode(code) + base.slice(at + 1);
        let valid = true;
        try {
          const value: unknown = JSON.parse(text);
          valid = typeof value === "object" && !/\\ud[89a-f]/i.test(text);
        } catch {
          valid = false;
        }
        const accepted = ((): boolean => {
          try {
            object(text);
            return true;
          } catch {
            return false;
          }
        })();
        expect(accepted).toBe(valid);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the form that entries are printed in", () => {
  test.each([
    ["no fields", '{"id":"1-1"}', 'no "fields" in this entry'],
    ["empty fields", '{"fields":{}}', '"fields" is empty: an entry needs a field'],
    ["fields twice", '{"fields":{"a":"1"},"fields":{"b":"2"}}', '"fields" stands there twice'],
    ["a number for a value", '{"fields":{"a":1}}', 'expected a string or {"base64":"…"}'],
    ["another key than base64", '{"fields":{"a":{"hex":"00"}}}', 'expected the key "base64"'],
    ["broken base64", '{"fields":{"a":{"base64":"/w="}}}', "not base64"],
    ["base64 with something beside", '{"fields":{"a":{"base64":"/w==","x":1}}}', 'expected "}"'],
    ["a pair of three", '{"fields":[["a","b","c"]]}', 'expected "]"'],
    ["an ID that is none", '{"id":"abc","fields":{"a":"1"}}', '"id" is not an entry ID like 1694012345678-0'],
    ["fields that are a string", '{"fields":"a"}', '"fields" must be an object or an array of pairs'],
  ])("refuses %s", (_, text, reason) => {
    expect(fault(text, "entry").message).toBe(reason);
  });

  test("facts beside the entry are ignored, wherever they stand", () => {
    const draft = new EntryDraft();
    const line = Buffer.from(
      String.raw`{"deliveries":3,"fields":{"a":"1"},"idleMs":[{}],"id":"5-1","stream":{"base64":"\/w=="}}`,
    );
    decoder.entry(line, 0, line.length, draft);
    expect(draft.id).toBe("5-1");
    expect(pairs(draft)).toEqual([["a", "1"]]);
  });

  test("base64 may have its slashes escaped, as some encoders do", () => {
    const draft = new EntryDraft();
    const line = Buffer.from(String.raw`{"fields":{"a":{"base64":"\/\/8="}}}`);
    decoder.entry(line, 0, line.length, draft);
    expect(draft.string(1)).toEqual(Buffer.from([0xff, 0xff]));
  });
});
