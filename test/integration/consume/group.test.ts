import { Writable } from "node:stream";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";

const ids = (stdout: string): unknown[] => ndjson(stdout).map(({ id }) => id);
const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i + 1}-1`);

async function numbered(count: number, options: { group?: string; key?: string } = {}): Promise<string> {
  const { group = "g", key = uniqueKey() } = options;
  const redis = rawRedis();
  const pipeline = redis.pipeline();
  for (let i = 1; i <= count; i++) pipeline.xadd(key, `${i}-1`, "n", String(i));
  pipeline.xgroup("CREATE", key, group, "0", "MKSTREAM");
  await pipeline.exec();
  return key;
}

async function pending(redis: Redis, key: string): Promise<number> {
  return ((await redis.xpending(key, "g")) as [number])[0];
}

/** One fact of each row of an XINFO reply: rows are flat lists of names and values. */
function facts(rows: unknown, name: string): unknown[] {
  return (rows as unknown[][]).map((row) => row[row.indexOf(name) + 1]);
}

async function consumers(redis: Redis, key: string): Promise<unknown[]> {
  return facts(await redis.xinfo("CONSUMERS", key, "g"), "name");
}

describe("consume as a consumer of a group", () => {
  test("prints everything once, acks it, and leaves no consumer behind", async () => {
    const redis = rawRedis();
    const key = await numbered(2_500);
    const { code, stdout, stderr } = await cli(["consume", key, "-g", "g", "--until-empty"]);
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(upTo(2_500));
    expect(await pending(redis, key)).toBe(0);
    expect(await consumers(redis, key)).toEqual([]);
    expect(stderr).toMatch(/printed 2.?500 entries, acked 2.?500/);
  });

  test("--no-ack leaves what it printed pending, and says for whom", async () => {
    const redis = rawRedis();
    const key = await numbered(30);
    const first = await cli(["consume", key, "-g", "g", "--no-ack", "--consumer", "me", "--count", "20"]);
    expect(ids(first.stdout)).toEqual(upTo(20));
    expect(first.stderr).toContain("20 entries pending for consumer me");
    const rest = await cli(["consume", key, "-g", "g", "--no-ack", "--consumer", "me", "--until-empty"]);
    expect(ids(rest.stdout)).toEqual(upTo(30).slice(20));
    expect(await pending(redis, key)).toBe(30);
  });

  test("a consumer that comes back gets what it never acked, before anything new", async () => {
    const redis = rawRedis();
    const key = await numbered(1_300);
    await redis.xreadgroup("GROUP", "g", "me", "COUNT", 1_200, "STREAMS", key, ">");
    await redis.xreadgroup("GROUP", "g", "other", "COUNT", 10, "STREAMS", key, ">");
    const { stdout } = await cli(["consume", key, "-g", "g", "--consumer", "me", "--until-empty"]);
    expect(ids(stdout)).toEqual([...upTo(1_200), ...upTo(1_300).slice(1_210)]);
    expect(await pending(redis, key)).toBe(10);
    expect(await consumers(redis, key)).toEqual(["me", "other"]);
  });

  test("pending entries whose data is gone are counted, not printed, and do not stop it", async () => {
    const redis = rawRedis();
    const key = await numbered(5);
    await redis.xreadgroup("GROUP", "g", "me", "COUNT", 3, "STREAMS", key, ">");
    await redis.xdel(key, "2-1");
    const argv = ["consume", key, "-g", "g", "--consumer", "me", "--until-empty", "--json"];
    const { code, stdout, stderr } = await cli(argv);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)).toEqual([
      "1-1",
      "3-1",
      "4-1",
      "5-1",
    ]);
    expect(JSON.parse(stderr)).toMatchObject({
      entries: 4,
      acked: 4,
      pending: 1,
      missing: 1,
      consumer: "me",
    });
  });

  test("--count takes not one entry more, also over several streams", async () => {
    const redis = rawRedis();
    const base = uniqueKey();
    const streams = ["a", "b", "c"].map((name) => `${base}:${name}`);
    for (const key of streams) await numbered(1_000, { key });
    for (const count of [1, 2, 4, 1_200]) {
      const argv = ["consume", ...streams, "-g", "g", "--count", String(count)];
      const { stdout } = await cli(argv);
      expect(ids(stdout)).toHaveLength(count);
    }
    let delivered = 0;
    for (const key of streams) {
      expect(await pending(redis, key)).toBe(0);
      const [last] = facts(await redis.xinfo("GROUPS", key), "last-delivered-id");
      delivered += Number.parseInt(String(last), 10);
    }
    expect(delivered).toBe(1_207);
  });

  test("several streams are read in turn: a long one does not hold up the others", async () => {
    const base = uniqueKey();
    const streams = ["a", "b"].map((name) => `${base}:${name}`);
    for (const key of streams) await numbered(2_000, { key });
    const { stdout } = await cli(["consume", `${base}:*`, "-g", "g", "--count", "1000"]);
    const perStream = streams.map((key) => ndjson(stdout).filter(({ stream }) => stream === key).length);
    for (const count of perStream) expect(count).toBeGreaterThan(300);
  });

  test("follows until a signal, which is a clean stop", async () => {
    const redis = rawRedis();
    const key = await numbered(1);
    const run = new CliRun(["consume", key, "-g", "g"]);
    await until("the first is printed", () => ids(run.stdout).length === 1);
    await redis.xadd(key, "2-1", "n", "2");
    await until("the second is printed", () => ids(run.stdout).length === 2);
    await until("both are acked", async () => (await pending(redis, key)) === 0);
    run.signal("SIGTERM");
    const { code, stderr } = await run.done;
    expect(code).toBe(0);
    expect(stderr).toContain("printed 2 entries, acked 2");
    expect(await consumers(redis, key)).toEqual([]);
  });

  test.each([
    ["--idle-exit", "1s"],
    ["--max-runtime", "2s"],
  ])("%s ends it", async (flag, time) => {
    const key = await numbered(3);
    const { code, stdout } = await cli(["consume", key, "-g", "g", flag, time]);
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(upTo(3));
  });

  test("every format is acked", async () => {
    const redis = rawRedis();
    for (const format of ["json", "csv", "raw", "table", "ndjson"]) {
      const key = await numbered(3);
      const { code } = await cli(["consume", key, "-g", "g", "--until-empty", "-o", format]);
      expect(code).toBe(0);
      expect(await pending(redis, key), format).toBe(0);
    }
  });
});

describe("consume and missing groups", () => {
  test("says which groups there are and how to make one", async () => {
    const key = await numbered(1, { group: "a" });
    await rawRedis().xgroup("CREATE", key, "b", "0");
    const { code, stderr } = await cli(["consume", key, "-g", "billing"]);
    expect(code).toBe(4);
    expect(stderr).toContain(
      `no group "billing" on ${key}: groups are a, b; create it with streamctl group create ${key} billing`,
    );
  });

  test("a stream that is not there", async () => {
    const { code, stderr } = await cli(["consume", "not-there", "-g", "g"]);
    expect(code).toBe(4);
    expect(stderr).toContain("no such stream: not-there");
  });

  test.each([
    [[], upTo(3)],
    [["--group-start", "0"], upTo(3)],
    [["--group-start", "2-1"], ["3-1"]],
    [["--group-start", "$"], []],
  ])("--create-group %j", async (flags, expected) => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (const id of upTo(3)) await redis.xadd(key, id, "n", "1");
    const argv = ["consume", key, "-g", "g", "--create-group", ...flags, "--until-empty"];
    expect(ids((await cli(argv)).stdout)).toEqual(expected);
    // The group is there now, and stays where it is.
    expect(ids((await cli(argv)).stdout)).toEqual([]);
  });

  test("--create-group makes the stream, too", async () => {
    const key = uniqueKey();
    const run = new CliRun(["consume", key, "-g", "g", "--create-group", "--count", "1"]);
    const redis = rawRedis();
    await until("the group is there", async () => (await redis.exists(key)) === 1);
    await redis.xadd(key, "1-1", "n", "1");
    expect(ids((await run.done).stdout)).toEqual(["1-1"]);
  });

  test("a group that goes while it is read is an error that says so", async () => {
    const redis = rawRedis();
    const key = await numbered(1);
    const run = new CliRun(["consume", key, "-g", "g"]);
    await until("it reads", () => ids(run.stdout).length === 1);
    await redis.xgroup("DESTROY", key, "g");
    const { code, stderr } = await run.done;
    expect(code).toBe(4);
    expect(stderr).toContain(`the group has gone while it was read: no group "g" on ${key}`);
  });

  test("so is a stream that goes", async () => {
    const redis = rawRedis();
    const key = await numbered(1);
    const run = new CliRun(["consume", key, "-g", "g"]);
    await until("it reads", () => ids(run.stdout).length === 1);
    await redis.del(key);
    const { code, stderr } = await run.done;
    expect(code).toBe(4);
    expect(stderr).toContain(`the group has gone while it was read: no such stream: ${key}`);
  });
});

/** A stdout that takes so many writes, then fails with `code`. */
function failingAfter(writes: number, code: string): { stream: Writable; text: () => string } {
  let text = "";
  let taken = 0;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (taken++ >= writes) return done(Object.assign(new Error(`write ${code}`), { code }));
      text += chunk.toString();
      done();
    },
  });
  return { stream, text: () => text };
}

describe("consume acks only what was printed", () => {
  test.each([
    ["EPIPE", 0],
    ["ENOSPC", 1],
  ])("when stdout fails with %s", async (errorCode, expectedCode) => {
    const redis = rawRedis();
    const key = await numbered(1_000);
    const { stream, text } = failingAfter(3, errorCode);
    const { code, stderr } = await cli(["consume", key, "-g", "g", "--consumer", "me"], { stdout: stream });
    expect(code).toBe(expectedCode);
    const printed = ids(text());
    expect(printed.length).toBeGreaterThan(0);
    expect(printed.length).toBeLessThan(1_000);
    const rows = (await redis.xpending(key, "g", "-", "+", 2_000)) as [string][];
    const stillPending = rows.map(([id]) => id);
    expect(printed.filter((id) => stillPending.includes(String(id)))).toEqual([]);
    expect(stderr).toContain(`${stillPending.length} entries pending for consumer me`);
    // Printed, pending and not yet delivered are all there is.
    const rest = await cli(["consume", key, "-g", "g", "--consumer", "me", "--until-empty"]);
    expect([...printed, ...ids(rest.stdout)]).toEqual(upTo(1_000));
  });

  test("a stdout that fails at once leaves everything", async () => {
    const redis = rawRedis();
    const key = await numbered(5);
    const { code } = await cli(["consume", key, "-g", "g"], { stdout: failingAfter(0, "EPIPE").stream });
    expect(code).toBe(0);
    expect(await pending(redis, key)).toBe(5);
  });

  test("an entry is not acked while stdout has yet to take it", async () => {
    const redis = rawRedis();
    const key = await numbered(5);
    let release = (): void => {};
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        release = done;
      },
    });
    const run = new CliRun(["consume", key, "-g", "g", "--until-empty"], { stdout });
    await until("it was read", async () => (await pending(redis, key)) === 5);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await pending(redis, key)).toBe(5);
    release();
    expect((await run.done).code).toBe(0);
    expect(await pending(redis, key)).toBe(0);
  });
});
