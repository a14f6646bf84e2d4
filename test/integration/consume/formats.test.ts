import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";

const BINARY = Buffer.from([0x00, 0xff, 0x0a, 0x80]);

/** Entries that a careless printer would bend: binary, repeated, empty, hostile, out of a JS object's order. */
async function awkward(): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey("awk ward");
  await redis.xadd(key, "1-1", "10", "ten", "2", "two", "__proto__", "p");
  await redis.xadd(key, "1-2", "a", "1", "a", "2");
  await redis.xadd(key, "1-3", "blob", BINARY, "", "");
  await redis.xadd(key, "1-4", BINARY, "v");
  await redis.xadd(key, "1-5", "text", 'say "hi"\t\u001b[31m\nnext,line', "note", "ü😀");
  return key;
}

describe("consume's formats", () => {
  test("NDJSON keeps every byte, every name and their order", async () => {
    const key = await awkward();
    const { stdout } = await cli(["consume", key]);
    const name = JSON.stringify(key);
    const base64 = BINARY.toString("base64");
    expect(stdout.split("\n")).toEqual([
      `{"stream":${name},"id":"1-1","fields":{"10":"ten","2":"two","__proto__":"p"}}`,
      `{"stream":${name},"id":"1-2","fields":[["a","1"],["a","2"]]}`,
      `{"stream":${name},"id":"1-3","fields":{"blob":{"base64":"${base64}"},"":""}}`,
      `{"stream":${name},"id":"1-4","fields":[[{"base64":"${base64}"},"v"]]}`,
      `{"stream":${name},"id":"1-5","fields":{"text":"say \\"hi\\"\\t\\u001b[31m\\nnext,line","note":"ü😀"}}`,
      "",
    ]);
  });

  test("-o json is one array, and [] when there is nothing", async () => {
    const key = await awkward();
    const { stdout, stderr } = await cli(["consume", key, "--json"]);
    const lines = await cli(["consume", key]);
    expect(JSON.parse(stdout)).toEqual(ndjson(lines.stdout));
    expect(JSON.parse(stderr)).toMatchObject({ entries: 5, tookMs: expect.any(Number) });
    const none = await cli(["consume", key, "--json", "--from", "$"]);
    expect(none.stdout).toBe("[]\n");
  });

  const hostile = "\u001b]0;title\u0007\u009b31m\u202edesrever\r\n\ttab";

  test.each([
    ["raw", "\\e]0;title\\x07\\x9b31m\\u202edesrever\\r\n\ttab"],
    ["csv", "\\e]0;title\\x07\\x9b31m\\u202edesrever\\r\n\ttab"],
    ["ndjson", '{"v":"\\u001b]0;title\\u0007\\u009b31m\\u202edesrever\\r\\n\\ttab"}'],
    ["json", '{"v":"\\u001b]0;title\\u0007\\u009b31m\\u202edesrever\\r\\n\\ttab"}'],
  ])("-o %s sends no control character of a value to a terminal", async (format, shown) => {
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-0", "v", hostile);
    const fields = format === "csv" ? ["--field", "v"] : [];
    const { stdout } = await cli(["consume", key, "-o", format, ...fields, "-q"], { columns: 80 });
    expect(stdout).toContain(shown);
    // oxlint-disable-next-line no-control-regex -- these are what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    if (format.endsWith("json"))
      expect(JSON.stringify(JSON.parse(stdout))).toContain(JSON.stringify(hostile));
  });

  test("rows of other commands are as harmless", async () => {
    const key = uniqueKey();
    await rawRedis().xadd(`${key}:dlq`, "1-0", "v", hostile);
    for (const format of ["raw", "csv", "ndjson", "json"]) {
      const { stdout } = await cli(["dlq", "list", key, "-o", format, "-q"], { columns: 80 });
      expect(stdout).toContain("desrever");
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });

  test("on a terminal of no columns and rows a table is that of 80 columns", async () => {
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-0", "v", "x");
    const at80 = await cli(["ls", key, "--no-color"], { columns: 80 });
    const at0 = await cli(["ls", key, "--no-color"], { columns: 0, rows: 0 });
    expect(at0.stdout).toContain(key);
    expect(at0.stdout.split("\n")[0]).toBe(at80.stdout.split("\n")[0]);
  });

  test("-o raw prints values as the bytes they are", async () => {
    const key = await awkward();
    const { stdoutBytes } = await cli(["consume", key, "-o", "raw", "--from", "1-2", "--to", "1-3"]);
    const expected = Buffer.concat([Buffer.from("1\t2\n"), BINARY, Buffer.from("\t\n")]);
    expect(stdoutBytes.equals(expected)).toBe(true);
    const one = await cli(["consume", key, "-o", "raw", "--field", "blob", "--from", "1-3", "--to", "1-4"]);
    expect(one.stdoutBytes.equals(Buffer.concat([BINARY, Buffer.from("\n\n")]))).toBe(true);
  });

  test("-o csv quotes what needs it, and gives each --field a column", async () => {
    const key = await awkward();
    const { stdout } = await cli(["consume", key, "-o", "csv", "--field", "note", "--field", "text"]);
    expect(stdout.startsWith("stream,id,note,text\n")).toBe(true);
    expect(stdout).toContain(`${key},1-5,ü😀,"say ""hi""\t\u001b[31m\nnext,line"\n`);
    const all = await cli(["consume", key, "-o", "csv", "--to", "1-2"]);
    expect(all.stdout).toBe(
      `stream,id,fields\n${key},1-1,"{""10"":""ten"",""2"":""two"",""__proto__"":""p""}"\n${key},1-2,"[[""a"",""1""],[""a"",""2""]]"\n`,
    );
  });

  test("--field leaves the other fields out, in each JSON form", async () => {
    const key = await awkward();
    const { stdout } = await cli(["consume", key, "--field", "a", "--field", "note", "--from", "1-2"]);
    expect(ndjson(stdout).map(({ fields }) => fields)).toEqual([
      [
        ["a", "1"],
        ["a", "2"],
      ],
      {},
      {},
      { note: "ü😀" },
    ]);
  });

  test("on a terminal control characters are shown, never sent", async () => {
    const key = await awkward();
    const { stdout } = await cli(["consume", key, "--no-color"], { columns: 120 });
    // oxlint-disable-next-line no-control-regex -- none may be left
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout).toContain(String.raw`say "hi"\t\e[31m\nnext,line`);
    expect(stdout).toContain("note=ü😀");
    expect(stdout.split("\n")[0]).toMatch(/^1-1 {2}19(70|69)-.* 10=ten 2=two __proto__=p$/);
  });

  test("on a terminal, fields that do not fit one line get a line each, and long values are cut", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "short", "1", "long", "x".repeat(5_000));
    const { stdout } = await cli(["consume", key], { columns: 60, env: { NO_COLOR: "1" } });
    const [head, short, long] = stdout.split("\n");
    expect(head).toBe("1-1  1970-01-01T00:00:00.001Z");
    expect(short).toBe("    short=1");
    expect(long).toBe(`    long=${"x".repeat(2_000)}… (5000 bytes)`);
  });
});
