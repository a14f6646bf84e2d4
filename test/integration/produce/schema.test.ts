import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { summaryOf, valuesOf } from "./support.ts";

async function folderWithSchema(schema: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-produce-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "order.schema.json"), JSON.stringify(schema));
  return folder;
}

const ORDER = {
  type: "object",
  required: ["n"],
  properties: { n: { type: "string" }, items: { type: "array", items: { type: "number" } } },
};

test("a line that does not match stops the run: it is named with its place, nothing of it is sent", async () => {
  const key = uniqueKey();
  const cwd = await folderWithSchema(ORDER);
  const stdin = '{"n":"1","items":[1,2]}\n\n{"n":"2","items":[1,"x"]}\n{"n":"3"}\n';
  const result = await cli(["produce", key, "--schema", "order.schema.json"], { stdin, cwd });
  expect(result.code).toBe(5);
  expect(result.stderr).toContain("error: line 3: /items/1: must be number");
  expect(await valuesOf(rawRedis(), key)).toEqual(["1"]);
});

test("with skip the others arrive, and the bad ones are kept as they were", async () => {
  const key = uniqueKey();
  const cwd = await folderWithSchema(ORDER);
  const stdin = '\uFEFF{"n":"1"}\n{"n":2 }\nrubbish\n{"n":"4"}\n';
  const args = ["--schema", "order.schema.json", "--rejects", "bad.ndjson", "-o", "json"];
  const result = await cli(["produce", key, ...args], { stdin, cwd });
  expect(result.code).toBe(5);
  expect(result.stderr).toMatch(/line 2: \/n: must be string\n.*line 3, column 1: /);
  expect(summaryOf(result)).toMatchObject({ inRedis: 2, rejected: 2, lastLine: 4, complete: true });
  expect(await valuesOf(rawRedis(), key)).toEqual(["1", "4"]);
  expect(await readFile(join(cwd, "bad.ndjson"), "utf8")).toBe('{"n":2 }\nrubbish\n');
});

test.each([
  ["csv", ["--input", "csv"], "n,amount\n1,2\nx,3\n"],
  ["lines", ["--input", "lines", "--field", "n"], "1\nx\n"],
  ["entries", ["--input", "entries"], '{"fields":{"n":"1"}}\n{"fields":[["n","x"]]}\n'],
])("of %s, the schema sees the fields as strings", async (_, args, stdin) => {
  const key = uniqueKey();
  const cwd = await folderWithSchema({ properties: { n: { type: "string", pattern: "^[0-9]+$" } } });
  const options = ["--schema", "order.schema.json", "--on-error", "skip"];
  const { code, stderr } = await cli(["produce", key, ...args, ...options], { stdin, cwd });
  expect(code).toBe(5);
  expect(stderr).toContain('/n: must match pattern "^[0-9]+$"');
  expect(await valuesOf(rawRedis(), key)).toEqual(["1"]);
});

test("a repeated name slips past no schema, wherever it stands and in whatever form", async () => {
  const key = uniqueKey();
  const limits = { minimum: 0 };
  const cwd = await folderWithSchema({ properties: { amount: limits, sub: { properties: { n: limits } } } });
  const args = ["--schema", "order.schema.json", "--on-error", "skip"];
  const stdin = '{"amount":-999999,"amount":5}\n{"amount":1,"sub":[{"n":-1,"n":1}]}\n{"amount":"1"}\n';
  const lines = await cli(["produce", key, ...args], { stdin, cwd });
  expect(lines.code).toBe(5);
  expect(lines.stderr).toContain('line 1: the name "amount" is repeated');
  expect(lines.stderr).toContain('line 2: /sub/0: the name "n" is repeated');
  const csv = await cli(["produce", key, "--input", "csv", ...args], { stdin: "amount,amount\n-1,5\n", cwd });
  expect(csv.stderr).toContain('line 2: the name "amount" is repeated');
  const entry = '{"fields":[["amount","-1"],["amount","5"]]}\n';
  expect((await cli(["produce", key, "--input", "entries", ...args], { stdin: entry, cwd })).code).toBe(5);
  const given = await cli(["produce", key, "amount=-1", "amount=5", "--schema", "order.schema.json"], {
    cwd,
  });
  expect(given.code).toBe(5);
  expect(await rawRedis().xlen(key)).toBe(1);
});

test("an entry on the command line has to match, too", async () => {
  const key = uniqueKey();
  const cwd = await folderWithSchema(ORDER);
  const { code, stderr } = await cli(["produce", key, "m=1", "--schema", "order.schema.json"], { cwd });
  expect(code).toBe(5);
  expect(stderr).toContain("must have required property 'n'");
  expect(await rawRedis().exists(key)).toBe(0);
});

test("a pattern that runs away ends the run, which names the line", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  const cwd = await folderWithSchema({ properties: { a: { pattern: "^(a+)+$" } } });
  const stdin = `{"a":"aa"}\n{"a":"${"a".repeat(40)}!"}\n{"a":"aa"}\n`;
  const { code, stderr } = await cli(
    ["produce", key, "--schema", "order.schema.json", "--on-error", "skip"],
    { cwd, stdin },
  );
  expect(stderr).toContain("error: line 2: the schema's pattern ^(a+)+$ runs away on it");
  expect(code).toBe(1);
  expect(await redis.xlen(key)).toBe(1);
});

test("a schema that is none is a usage error before Redis hears of anything", async () => {
  const cwd = await folderWithSchema({ type: "objekt" });
  const options = { cwd, url: "redis://127.0.0.1:1" };
  const { code, stderr } = await cli(["produce", "s", "--schema", "order.schema.json"], options);
  expect(code).toBe(2);
  expect(stderr).toContain("--schema is not a valid JSON Schema");
  const missing = await cli(["produce", "s", "--schema", "nowhere.json"], options);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("can't read --schema: ENOENT");
});
