import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

/** Entries 1-0, 2-0, 3-0: group g has acked the first and has the second pending, group h has had nothing. */
async function stream(): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  const payload = '{"customer":{"id":9007199254740993,"name":"\\u001b[31mAnn"},"items":[1,2],"items":[]}';
  for (const id of ["1-0", "2-0", "3-0"])
    await redis.xadd(key, id, "n", id, "payload", payload, "blob", Buffer.from([0xff, 0x00]));
  for (const group of ["g", "h"]) await redis.xgroup("CREATE", key, group, "0");
  await redis.xreadgroup("GROUP", "g", "worker-1", "COUNT", 2, "STREAMS", key, ">");
  await redis.xack(key, "g", "1-0");
  return key;
}

describe("show", () => {
  test("tells where an entry stands with every group", async () => {
    const key = await stream();
    const { code, stdout, stderr } = await cli(["show", key, "1-0", "2-0", "+"]);
    expect(code, stderr).toBe(0);
    const none = { consumer: null, idleMs: null, deliveries: null };
    const rows = ndjson(stdout);
    expect(rows.map(({ id, groups }) => [id, groups])).toEqual([
      [
        "1-0",
        [
          { group: "g", state: "passed", ...none },
          { group: "h", state: "undelivered", ...none },
        ],
      ],
      [
        "2-0",
        [
          { group: "g", state: "pending", consumer: "worker-1", idleMs: expect.any(Number), deliveries: 1 },
          { group: "h", state: "undelivered", ...none },
        ],
      ],
      [
        "3-0",
        [
          { group: "g", state: "undelivered", ...none },
          { group: "h", state: "undelivered", ...none },
        ],
      ],
    ]);
    expect(rows[0]).toMatchObject({
      stream: key,
      bytes: 101,
      fields: { n: "1-0", blob: { base64: "/wA=" } },
    });
  });

  test("on a terminal it is a page: JSON laid out as it was written, nothing of it sent to the terminal", async () => {
    const key = await stream();
    const { stdout } = await cli(["show", key, "2-0", "--no-color"], { columns: 80 });
    expect(stdout).toContain("g: pending with worker-1, ");
    expect(stdout).toContain("h: not delivered yet");
    expect(stdout).toContain(`"id": 9007199254740993`);
    expect(stdout).toContain(String.raw`"name": "\u001b[31mAnn"`);
    expect(stdout).toMatch(/"items": \[1, 2\],\n\s+"items": \[\]/);
    expect(stdout).toContain(String.raw`\xff\x00`);
  });

  test("what is not there: exit 4, or 5 when others are", async () => {
    const key = await stream();
    const some = await cli(["show", key, "9-9", "1-0"]);
    expect(some).toMatchObject({ code: 5, stderr: expect.stringContaining(`9-9 is not in ${key}`) });
    expect(ndjson(some.stdout)).toHaveLength(1);
    expect((await cli(["show", key, "9-9"])).code).toBe(4);
    const none = await cli(["show", uniqueKey(), "1-0"]);
    expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining("no such stream") });
    await rawRedis().set(`${key}:text`, "1");
    const text = await cli(["show", `${key}:text`, "1-0"]);
    expect(text).toMatchObject({ code: 1, stderr: expect.stringContaining("is a string, not a stream") });
    expect((await cli(["show", key, "x"])).code).toBe(2);
  });

  test("IDs and rows from stdin, and only those that fit", async () => {
    const key = await stream();
    const pending = await cli(["pending", key, "-g", "g", "--list"]);
    const piped = await cli(["show", key, "-"], { stdin: pending.stdout });
    expect(ndjson(piped.stdout).map(({ id }) => id)).toEqual(["2-0"]);
    const where = ["--where", "payload.customer.id>9007199254740992", "--where", "n!=2-0"];
    const fitting = await cli(["show", key, "1-0", "2-0", "3-0", ...where]);
    expect(ndjson(fitting.stdout).map(({ id }) => id)).toEqual(["1-0", "3-0"]);
  });
});

describe("consume", () => {
  async function numbered(count: number): Promise<string> {
    const key = uniqueKey();
    const pipeline = rawRedis().pipeline();
    for (let n = 1; n <= count; n++) pipeline.xadd(key, `${n}-0`, "n", String(n), "odd", String(n % 2));
    await pipeline.exec();
    return key;
  }

  const idsOf = (stdout: string): unknown[] => ndjson(stdout).map(({ id }) => id);

  test.each([
    [
      ["--last", "3"],
      ["2998-0", "2999-0", "3000-0"],
    ],
    [
      ["--last", "2", "--where", "odd=1"],
      ["2997-0", "2999-0"],
    ],
    [
      ["--last", "2", "--to", "10-0"],
      ["9-0", "10-0"],
    ],
    [
      ["--last", "5", "--from", "2999"],
      ["2999-0", "3000-0"],
    ],
    [["--last", "2", "--where", "odd=7"], []],
  ])("%j: the newest, oldest first", async (flags, expected) => {
    const key = await numbered(3_000);
    const { code, stdout, stderr } = await cli(["consume", key, ...flags]);
    expect(code, stderr).toBe(0);
    expect(idsOf(stdout)).toEqual(expected);
  });

  test("--last more than there are is all, also over many pages, and of each stream", async () => {
    const [a, b] = [await numbered(2_500), await numbered(2)];
    expect(idsOf((await cli(["consume", a, "--last", "2400"])).stdout)).toHaveLength(2_400);
    expect(idsOf((await cli(["consume", a, b, "--last", "3"])).stdout)).toHaveLength(5);
  });

  test("--last -f goes on from there", async () => {
    const key = await numbered(10);
    const argv = ["consume", key, "--last", "2", "-f", "--where", "odd=1", "--until-empty"];
    expect(idsOf((await cli(argv)).stdout)).toEqual(["7-0", "9-0"]);
    const empty = await cli(["consume", uniqueKey(), "--last", "2", "-f", "--idle-exit", "10ms"]);
    expect(empty).toMatchObject({ code: 0, stdout: "" });
  });

  test("-o raw -0 ends records with NUL, whatever is in them", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    await redis.xadd(key, "1-0", "a", "one\ntwo", "b", "x");
    await redis.xadd(key, "2-0", "a", "three");
    const { stdout } = await cli(["consume", key, "-o", "raw", "-0", "--field", "a"]);
    expect(stdout).toBe("one\ntwo\0three\0");
    expect((await cli(["consume", key, "-0"])).code).toBe(2);
    expect((await cli(["consume", key, "-g", "g", "-0", "--exec", "true"])).code).toBe(2);
  });

  test("-o pretty lays out every entry", async () => {
    const key = uniqueKey();
    const long = JSON.stringify({ name: "x".repeat(80), list: [1, 2], deep: { a: null } });
    await rawRedis().xadd(key, "1-0", "payload", long, "plain", "text");
    const { stdout } = await cli(["consume", key, "-o", "pretty"]);
    expect(stdout).toBe(
      [
        "1-0  1970-01-01T00:00:00.001Z",
        "    payload  {",
        `      "name": "${"x".repeat(80)}",`,
        '      "list": [1, 2],',
        '      "deep": {"a": null}',
        "    }",
        "    plain    text",
        "",
      ].join("\n"),
    );
  });

  test.each([
    [["--last", "2", "--reverse"], "--reverse"],
    [["--last", "0"], "at least 1"],
    [["--last", "2", "-g", "g"], "--last"],
  ])("%j: exit 2", async (flags, message) => {
    const { code, stderr } = await cli(["consume", "orders", ...flags]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  });
});
