import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fieldsValue } from "../../../src/engine/produce/checked-source.ts";
import { loadSchema, type SchemaCheck } from "../../../src/engine/produce/schema.ts";
import { SingleEntry } from "../../../src/engine/produce/source.ts";
import { EntryDraft } from "../../../src/entry/entry-draft.ts";

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

describe("a file that is no schema", () => {
  test.each([
    ["no JSON", "{", /can't read --schema: /],
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

  test("are strings; a repeated one is a list, a binary one base64, and no name is special", () => {
    expect(valueOf("a", "1", "b", "x", "a", "2", "c", Buffer.from([0xff]))).toEqual({
      a: ["1", "2"],
      b: "x",
      c: { base64: "/w==" },
    });
    expect(Object.keys(valueOf("__proto__", "1") as object)).toEqual(["__proto__"]);
  });
});
