import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fieldsValue } from "../../../src/entry/sources/schema-source.ts";
import { loadSchema, type SchemaCheck } from "../../../src/entry/sources/schema.ts";
import { SingleEntry } from "../../../src/entry/sources/source.ts";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";
import { parseJson } from "../../../src/entry/json-parse.ts";

async function fileWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-schema-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "schema.json");
  await writeFile(file, text);
  return file;
}

async function load(schema: unknown, warnings: string[] = []): Promise<SchemaCheck> {
  return loadSchema(await fileWith(JSON.stringify(schema)), (message) => warnings.push(message));
}

describe("what is wrong with a value", () => {
  test.each([
    [{ type: "object" }, [], "must be object"],
    [{ properties: { a: { items: { type: "number" } } } }, { a: [1, "x"] }, "/a/1: must be number"],
    [{ required: ["id"] }, {}, "must have required property 'id'"],
    [{ properties: { a: true }, additionalProperties: false }, { a: 1, b: 2 }, /additional properties: "b"$/],
    [
      { properties: { a: { enum: ["x", "y"] } } },
      { a: "z" },
      '/a: must be equal to one of the allowed values: ["x","y"]',
    ],
    [{ properties: { a: { const: 1 } } }, { a: 2 }, "/a: must be equal to constant: 1"],
    [{ properties: { at: { format: "date-time" } } }, { at: "soon" }, '/at: must match format "date-time"'],
    [{ unevaluatedProperties: false }, { b: 1 }, /unevaluated properties: "b"$/],
    [false, {}, "boolean schema is false"],
  ])("%j refuses %j", async (schema, value, message) => {
    expect((await load(schema))(value)).toMatch(message);
  });

  test.each(["constructor", "toString", "hasOwnProperty", "__proto__"])(
    "a field %s that is not there is missing, and nothing else is wrong with it",
    async (name) => {
      expect((await load({ required: [name] }))({})).toBe(`must have required property '${name}'`);
      expect((await load({ required: [name] }))(parseJson(Buffer.from(`{"${name}":1}`)))).toBeUndefined();
      if (name === "__proto__") return;
      const check = await load({ properties: { [name]: { type: "integer" } }, additionalProperties: false });
      expect([{}, { [name]: 1 }, { [name]: "x" }].map(check)).toEqual([
        undefined,
        undefined,
        `/${name}: must be integer`,
      ]);
    },
  );

  test("a schema that says something about a field __proto__ is refused: it would not be checked", async () => {
    const file = await fileWith('{"properties":{"a":{"properties":{"__proto__":{"type":"integer"}}}}}');
    await expect(loadSchema(file, () => {})).rejects.toThrow("__proto__ can't be checked");
  });

  test.each([
    ["^(a+)+$", "a".repeat(40)],
    ["^(a|aa)+$", "a".repeat(60)],
    ["^((a)+b?)*$", "a".repeat(40)],
    ["^(.*),(.*),(.*),(.*)x$", ",".repeat(5_000)],
  ])("a pattern %s that runs away is stopped, and is the schema's fault", async (pattern, text) => {
    const check = await load({ properties: { a: { pattern }, b: { pattern: "^x+$" } } });
    expect(() => check({ a: `${text}!` })).toThrow(`pattern ${pattern} runs away`);
    expect(check({ a: "ax", b: "xx" })).toMatch(/^\/a: must match pattern/);
    expect(check({ b: "xy" })).toBe('/b: must match pattern "^x+$"');
  });

  test("a $ref that leads to itself is the schema's fault", async () => {
    const check = await load({ $ref: "#" });
    expect(() => check({})).toThrow("leads back to itself");
  });

  test("nothing, when it matches; and a check can be used again and again", async () => {
    const check = await load({ type: "object", required: ["id"] });
    expect([check({ id: 1 }), check({}), check({ id: 2 })]).toEqual([
      undefined,
      "must have required property 'id'",
      undefined,
    ]);
  });

  test("each draft has its own meaning: items as a list is draft-07's, prefixItems 2020-12's", async () => {
    const old = await load({
      $schema: "http://json-schema.org/draft-07/schema#",
      items: [{ type: "string" }],
      definitions: { a: true },
    });
    const current = await load({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      prefixItems: [{ type: "string" }],
    });
    for (const check of [old, current]) expect(check([1])).toBe("/0: must be string");
  });

  test("a byte order mark before a schema is none of it", async () => {
    const check = await loadSchema(await fileWith('\uFEFF{"type":"object"}'), () => {});
    expect(check({})).toBeUndefined();
  });

  test("references within the file are followed", async () => {
    const check = await load({ $ref: "#/$defs/id", $defs: { id: { type: "integer" } } });
    expect(check("x")).toBe("must be integer");
  });

  test("a format that nobody knows is no reason to refuse, but is named", async () => {
    const warnings: string[] = [];
    const check = await load({ properties: { a: { format: "zip-code", "x-note": 1 } } }, warnings);
    expect(check({ a: "1" })).toBeUndefined();
    expect(warnings.join()).toContain("zip-code");
  });
});

describe("numbers are checked as they are written", () => {
  const MAX = "9223372036854775807";
  test.each([
    ['{"maximum":9007199254740992}', "9007199254740993", "must be <= 9007199254740992"],
    ['{"maximum":9007199254740992}', "9007199254740992", undefined],
    [`{"maximum":${MAX}}`, "9223372036854775808", `must be <= ${MAX}`],
    [`{"minimum":${MAX}}`, MAX, undefined],
    [`{"minimum":${MAX}}`, "9223372036854775806", `must be >= ${MAX}`],
    [`{"exclusiveMinimum":${MAX}}`, MAX, `must be > ${MAX}`],
    ['{"exclusiveMaximum":0.3}', "0.29999999999999999999", undefined],
    ['{"exclusiveMaximum":0.3}', "0.30", "must be < 0.3"],
    ['{"maximum":1e400}', "1e399", undefined],
    ['{"maximum":1e400}', "2E400", "must be <= 1e400"],
    ['{"multipleOf":0.01}', "0.07", undefined],
    ['{"multipleOf":0.01}', "1234567890123.45", undefined],
    ['{"multipleOf":0.01}', "0.075", "must be multiple of 0.01"],
    ['{"multipleOf":2}', "9007199254740993", "must be multiple of 2"],
    ['{"multipleOf":3}', "1e1000000000", "must be multiple of 3"],
    ['{"const":9007199254740993}', "9007199254740993", undefined],
    ['{"const":9007199254740993}', "9007199254740992", "must be equal to constant: 9007199254740993"],
    ['{"const":{"a":[1.0]}}', '{"a":[1]}', undefined],
    ['{"enum":["x",12345678901234567890]}', "12345678901234567891", /allowed values: .*12345678901234567890/],
    ['{"enum":["x",12345678901234567890]}', "1234567890123456789e1", undefined],
    ['{"uniqueItems":true}', "[9007199254740992,9007199254740993]", undefined],
    ['{"uniqueItems":true}', '[{"a":1,"b":2},{"b":2,"a":1.0}]', /duplicate items/],
    ['{"type":"integer"}', "9007199254740993.5", "must be integer"],
    ['{"type":"integer"}', "1e-400", "must be integer"],
    ['{"type":"integer"}', "1e400", undefined],
    ['{"type":"integer"}', "12.0", undefined],
    ['{"type":"number"}', "1e400", undefined],
  ])("%s and %s: %s", async (schema, value, message) => {
    const check = await loadSchema(await fileWith(`{"properties":{"a":${schema}}}`), () => {});
    const fault = check(parseJson(Buffer.from(`{"a":${value}}`)));
    if (message === undefined) expect(fault).toBeUndefined();
    else expect(fault).toMatch(message);
  });

  test("also where a definition is shared, and under allOf", async () => {
    const text = `{"$defs":{"id":{"allOf":[{"maximum":${MAX}}]}},"additionalProperties":{"$ref":"#/$defs/id"}}`;
    const check = await loadSchema(await fileWith(text), () => {});
    expect(check(parseJson(Buffer.from(`{"a":${MAX},"b":9223372036854775808}`)))).toBe(
      `/b: must be <= ${MAX}`,
    );
  });
});

describe("a file that is no schema", () => {
  test.each([
    ["no JSON", "{", /can't read --schema: /],
    ["a name that stands twice", '{"maxLength":1,"maxLength":9}', 'the name "maxLength" is repeated'],
    ["UTF-16", "\uFEFF{}".split("").join("\u0000"), /can't read --schema: /],
    ["a list", "[]", "a schema is a JSON object"],
    ["a keyword misused", '{"type":"strnig"}', /not a valid JSON Schema: .*type/],
    ["a list of items in 2020-12", '{"items":[{}]}', /not a valid JSON Schema: .*items/],
    [
      "a reference to elsewhere",
      '{"$ref":"https://example.com/x.json"}',
      /refers to https:\/\/example\.com\/x\.json, which is not in the file/,
    ],
    [
      "an unknown dialect",
      '{"$schema":"http://json-schema.org/draft-03/schema#"}',
      "draft-03/schema# is not supported",
    ],
    ["an asynchronous one", '{"$async":true}', "$async schemas are not supported"],
  ])("%s: exit code 2 and the reason", async (_, text, message) => {
    const loading = loadSchema(await fileWith(text), () => {});
    await expect(loading).rejects.toMatchObject({ kind: "usage" });
    await expect(loading).rejects.toThrow(message);
  });
});

describe("fields before a schema", () => {
  function valueOf(...fields: (string | Buffer)[]): unknown {
    const draft = new EntryDraft();
    draft.open(Buffer.alloc(0));
    for (const field of fields) draft.addBytes(Buffer.from(field));
    return fieldsValue(new SingleEntry([]), draft);
  }

  test("are strings; a repeated one is refused, a binary one base64, and no name is special", () => {
    expect(() => valueOf("a", "1", "b", "x", "a", "2")).toThrow('the name "a" is repeated');
    expect(valueOf("a", "1", "b", "x", "c", Buffer.from([0xff]))).toEqual({
      a: "1",
      b: "x",
      c: { base64: "/w==" },
    });
    expect(Object.keys(valueOf("__proto__", "1") as object)).toEqual(["__proto__"]);
  });
});
