import { describe, expect, test } from "vitest";
import { idleForDelayMs, retryDelays } from "../../../src/engine/worker/retries.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";

type Raw = ReturnType<typeof rawRedis>;

/** A stream with entries `1-0` to `n-0`, all of them pending in group g: odd ones for a, even ones for b. */
async function pendingStream(redis: Raw, count: number): Promise<string> {
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  const pipeline = redis.pipeline();
  for (let n = 1; n <= count; n++) {
    pipeline.xadd(key, `${n}-0`, "n", String(n));
    pipeline.xreadgroup("GROUP", "g", n % 2 === 1 ? "a" : "b", "COUNT", 1, "STREAMS", key, ">");
  }
  await pipeline.exec();
  return key;
}

async function rowsOf(args: readonly string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await cli(["pending", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return ndjson(stdout);
}

describe("pending", () => {
  test("adds up per consumer", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 5);
    await redis.xclaim(key, "g", "a", 0, "3-0", "IDLE", 60_000, "JUSTID");
    const rows = await rowsOf([key, "-g", "g"]);
    expect(rows).toEqual([
      {
        stream: key,
        group: "g",
        consumer: "a",
        pending: 3,
        minId: "1-0",
        maxId: "5-0",
        maxIdleMs: expect.any(Number),
      },
      {
        stream: key,
        group: "g",
        consumer: "b",
        pending: 2,
        minId: "2-0",
        maxId: "4-0",
        maxIdleMs: expect.any(Number),
      },
    ]);
    expect(rows[0]?.["maxIdleMs"]).toBeGreaterThanOrEqual(60_000);
    expect(rows[1]?.["maxIdleMs"]).toBeLessThan(60_000);
  });

  test("lists every entry of a long list once, in order, over page ends", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2_500);
    const rows = await rowsOf([key, "-g", "g", "--list"]);
    expect(rows.map((row) => row["id"])).toEqual(Array.from({ length: 2_500 }, (_, n) => `${n + 1}-0`));
    expect(rows[1]).toEqual({
      stream: key,
      group: "g",
      id: "2-0",
      consumer: "b",
      idleMs: expect.any(Number),
      deliveries: 1,
      missing: false,
      ageMs: null,
    });
    const [a, b] = await rowsOf([key, "-g", "g"]);
    expect([a?.["pending"], b?.["pending"]]).toEqual([1_250, 1_250]);
  });

  test("filters by consumer, idle time and deliveries, and stops at the limit", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 6);
    await redis.xclaim(key, "g", "a", 0, "3-0", "IDLE", 60_000, "RETRYCOUNT", 4, "JUSTID");
    await redis.xclaim(key, "g", "b", 0, "4-0", "IDLE", 60_000, "JUSTID");
    const idsOf = async (...flags: string[]): Promise<unknown[]> =>
      (await rowsOf([key, "-g", "g", "--list", ...flags])).map((row) => row["id"]);
    expect(await idsOf("--consumer", "b")).toEqual(["2-0", "4-0", "6-0"]);
    expect(await idsOf("--min-idle", "30s")).toEqual(["3-0", "4-0"]);
    expect(await idsOf("--min-idle", "30s", "--min-deliveries", "4")).toEqual(["3-0"]);
    expect(await idsOf("--limit", "2")).toEqual(["1-0", "2-0"]);
    expect(await idsOf("--consumer", "b", "--limit", "2")).toEqual(["2-0", "4-0"]);
    const summary = await rowsOf([key, "-g", "g", "--min-idle", "30s"]);
    expect(summary.map((row) => [row["consumer"], row["pending"]])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
  });

  test("marks entries whose data was deleted or trimmed, with and without their fields", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 6);
    await redis.xdel(key, "4-0");
    await redis.xtrim(key, "MAXLEN", 4);
    const expected = [
      ["1-0", true],
      ["2-0", false],
      ["3-0", false],
      ["4-0", true],
      ["5-0", false],
      ["6-0", false],
    ];
    const plain = await rowsOf([key, "-g", "g", "--list"]);
    expect(plain.map((row) => [row["id"], row["missing"]])).toEqual(expected);
    const withFields = await rowsOf([key, "-g", "g", "--list", "--payload"]);
    expect(withFields.map((row) => [row["id"], row["missing"]])).toEqual(expected);
    expect(withFields[1]?.["fields"]).toEqual({ n: "2" });
    expect(withFields[3]?.["fields"]).toBeNull();
    await redis.del(key);
  });

  test("an emptied stream: everything pending is missing", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xtrim(key, "MAXLEN", 0);
    const rows = await rowsOf([key, "-g", "g", "--list"]);
    expect(rows.map((row) => row["missing"])).toEqual([true, true]);
  });

  test("binary and repeated fields come out whole", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await redis.xadd(key, "1-0", "10", "x", "2", Buffer.from([0xff, 0x00]));
    await redis.xadd(key, "2-0", "a", "1", "a", "2");
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, ">");
    const { stdout } = await cli(["pending", key, "-g", "g", "--list", "--payload"]);
    expect(stdout).toContain('"fields":{"10":"x","2":{"base64":"/wA="}}}');
    expect(stdout).toContain('"fields":[["a","1"],["a","2"]]}');
  });

  test("escapes what would steer a terminal", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await redis.xadd(key, "1-0", "note", "\u001b[2J\u202eevil\n");
    await redis.xreadgroup("GROUP", "g", "c\u001b]0;x\u0007", "STREAMS", key, ">");
    const { stdout } = await cli(["pending", key, "-g", "g", "--list", "--payload"], { columns: 200 });
    expect(stdout).toContain("note=\\e[2J\\u202eevil\\n");
    expect(stdout).toContain("c\\e]0;x\\x07");
    // oxlint-disable-next-line no-control-regex -- no character that steers but the colours of the table itself
    expect(stdout.replace(/\u001b\[\d+m/g, "")).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  });

  test("nothing pending: nothing on a pipe, a note on a terminal", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    expect(await cli(["pending", key, "-g", "g"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await cli(["pending", key, "-g", "g", "-o", "json", "--list"])).toMatchObject({ stdout: "[]\n" });
    const { stdout, stderr } = await cli(["pending", key, "-g", "g"], { columns: 80 });
    expect([stdout, stderr]).toEqual(["", `streamctl: nothing is pending on ${key} for g\n`]);
  });

  test("an idle time that was set and did not pass is not shown as one", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await redis.xadd(key, "*", "n", String(n))) as string);
    await redis.xreadgroup("GROUP", "g", "a", "STREAMS", key, ">");
    // As a worker leaves a retry, and as dlq replay gives an entry back.
    await redis.xclaim(key, "g", "a", 0, ids[0] as string, "IDLE", 59_000, "JUSTID");
    await redis.xclaim(key, "g", "b", 0, ids[1] as string, "TIME", 0, "RETRYCOUNT", 0, "JUSTID");
    const rows = await rowsOf([key, "-g", "g", "--list"]);
    expect(rows.map((row) => row["idleMs"])).toEqual([null, null, expect.any(Number)]);
    for (const { ageMs } of rows) expect(ageMs).toBeLessThan(59_000);
    const summary = await rowsOf([key, "-g", "g"]);
    expect(summary.map((row) => row["maxIdleMs"])).toEqual([expect.any(Number), null]);
    expect(summary[0]?.["maxIdleMs"]).toBeLessThan(59_000);
    expect((await cli(["pending", key, "-g", "g", "--list"], { columns: 160 })).stdout).toContain("waiting");
    const chosen = await rowsOf([key, "-g", "g", "--list", "--min-idle", "50s"]);
    expect(chosen.map((row) => row["id"])).toEqual(ids.slice(0, 2));
  });

  test("--claim-idle tells when a retry comes due, as workers with these settings reckon it", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await redis.xadd(key, "*", "n", String(n))) as string);
    await redis.xreadgroup("GROUP", "g", "a", "STREAMS", key, ">");
    const ahead = idleForDelayMs(3, 40_000, 60_000, retryDelays(30_000));
    await redis.xclaim(key, "g", "a", 0, ids[0] as string, "IDLE", ahead, "RETRYCOUNT", 3, "JUSTID");
    await redis.xclaim(key, "g", "b", 0, ids[1] as string, "TIME", 0, "RETRYCOUNT", 0, "JUSTID");
    const argv = [key, "-g", "g", "--list", "--claim-idle", "1m", "--retry-delay", "30s"];
    const [waits, replayed, inHand] = await rowsOf(argv);
    expect(waits).toMatchObject({ idleMs: null });
    expect(waits?.["dueInMs"]).toBeGreaterThan(20_000);
    expect(waits?.["dueInMs"]).toBeLessThanOrEqual(40_000);
    expect(replayed).toMatchObject({ idleMs: null, dueInMs: 0 });
    expect(inHand?.["dueInMs"]).toBeGreaterThan(40_000);
    const { stdout } = await cli(["pending", ...argv], { columns: 160 });
    expect(stdout).toMatch(/waiting .* in \d/);
    expect(stdout).toMatch(/waiting .* now/);
    expect((await rowsOf([key, "-g", "g", "--list"]))[0]).not.toHaveProperty("dueInMs");
  });

  test("filters that let nothing through say so, and of how many", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    const told = async (...argv: string[]): Promise<string> => (await cli(argv, { columns: 200 })).stderr;
    const text = `none of 3 pending on ${key} for g fits`;
    const filters = ["--min-deliveries", "7"];
    expect(await told("pending", key, "-g", "g", ...filters)).toContain(text);
    expect(await told("pending", key, "-g", "g", "--list", ...filters)).toContain(text);
    expect(await told("claim", key, "-g", "g", "--all", "--to", "x", "-y", ...filters)).toContain(text);
    expect(await told("pending", key, "-g", "g", "--consumer", "a", ...filters)).toContain(
      `none of 3 pending on ${key} for g is a's and fits`,
    );
  });

  test("a missing group, stream or consumer: exit 4, with what is there", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const group = await cli(["pending", key, "-g", "billing"]);
    expect(group.code).toBe(4);
    expect(group.stderr).toContain(`no group "billing" on ${key}: groups are g; create it with`);
    const stream = await cli(["pending", `${key}:nowhere`, "-g", "g"]);
    expect(stream.code).toBe(4);
    expect(stream.stderr).toContain(`no such stream: ${key}:nowhere`);
    const consumer = await cli(["pending", key, "-g", "g", "--consumer", "z"]);
    expect(consumer.code).toBe(4);
    expect(consumer.stderr).toContain(`no consumer "z" in group "g" on ${key}: consumers are a, b`);
    expect([group.stdout, stream.stdout, consumer.stdout]).toEqual(["", "", ""]);
  });

  test("a key of another type, and flags that make no sense", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.set(key, "x");
    const wrong = await cli(["pending", key, "-g", "g"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(`${key} is a string, not a stream`);
    expect((await cli(["pending", key])).code).toBe(2);
    expect((await cli(["pending", key, "-g", "g", "--payload"])).code).toBe(2);
    expect((await cli(["pending", key, "-g", "g", "--min-idle", "soon"])).code).toBe(2);
  });
});
