import { describe, expect, onTestFinished, test, vi } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";

type Raw = ReturnType<typeof rawRedis>;

async function add(redis: Raw, key: string, ids: Iterable<string>): Promise<void> {
  for (const id of ids) await redis.xadd(key, id, "a", "1");
}

/** IDs `1-0` to `n-0`. */
function ids(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => `${from + index}-0`);
}

async function read(redis: Raw, key: string, group: string, count: number, consumer = "c"): Promise<void> {
  await redis.xreadgroup("GROUP", group, consumer, "COUNT", count, "STREAMS", key, ">");
}

async function lagOf(key: string, ...flags: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli(["lag", key, ...flags]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rows = ndjson(stdout);
  expect(rows).toHaveLength(1);
  return rows[0] ?? {};
}

describe("lag is never a wrong number", () => {
  test("a group that has read nothing is behind by everything", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "0");
    expect(await lagOf(key)).toMatchObject({
      stream: key,
      group: "g",
      lag: 10,
      lagAtLeast: null,
      pending: 0,
    });
  });

  test("a group made in the middle, where the server says null", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "4-0");
    expect(await lagOf(key)).toMatchObject({ lag: 6, lastDeliveredId: "4-0" });
    await read(redis, key, "g", 2);
    expect(await lagOf(key)).toMatchObject({ lag: 4, pending: 2, consumers: 1, lastDeliveredId: "6-0" });
  });

  test("deleted entries ahead of the group are not waiting", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 3);
    await redis.xdel(key, "6-0", "7-0");
    expect(await lagOf(key)).toMatchObject({ lag: 5 });
  });

  test("the last entry deleted: nothing is left although the last ID is ahead", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 9);
    await redis.xdel(key, "10-0");
    expect(await lagOf(key)).toMatchObject({ lag: 0, oldestUndeliveredMs: null });
  });

  test("trimmed past the group's position, and read on from there until caught up", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 3);
    await redis.xtrim(key, "MAXLEN", 4);
    expect(await lagOf(key)).toMatchObject({ lag: 4 });
    await read(redis, key, "g", 1);
    expect(await lagOf(key)).toMatchObject({ lag: 3 });
    await read(redis, key, "g", 10);
    expect(await lagOf(key)).toMatchObject({ lag: 0 });
    await add(redis, key, ids(2, 11));
    expect(await lagOf(key)).toMatchObject({ lag: 2 });
    await read(redis, key, "g", 1);
    expect(await lagOf(key)).toMatchObject({ lag: 1 });
  });

  test("an emptied stream has nothing to wait for", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(10));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 3);
    await redis.xtrim(key, "MAXLEN", 0);
    expect(await lagOf(key)).toMatchObject({ lag: 0, pending: 3 });
  });

  test("five groups at five places of a stream with holes, each counted for itself", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(20));
    for (const [group, at] of [
      ["fresh", "0"],
      ["trimmed-past", "2-0"],
      ["in-the-middle", "9-0"],
      ["before-a-hole", "13-0"],
      ["caught-up", "20-0"],
    ] as const) {
      await redis.xgroup("CREATE", key, group, at);
      await read(redis, key, group, 1);
    }
    await redis.xdel(key, "12-0", "15-0", "16-0");
    await redis.xtrim(key, "MAXLEN", 12);
    const { stdout } = await cli(["lag", key]);
    const lags = Object.fromEntries(ndjson(stdout).map((row) => [row["group"], row["lag"]]));
    // 6 to 20 without 12, 15 and 16 are left.
    expect(lags).toEqual({
      fresh: 12,
      "trimmed-past": 12,
      "in-the-middle": 7,
      "before-a-hole": 4,
      "caught-up": 0,
    });
  });

  test("every state that random deliveries, deletions and trims lead to", async () => {
    const redis = rawRedis();
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < 12; round++) {
      const key = uniqueKey();
      let next = 1;
      await add(redis, key, ids(20, next));
      next += 20;
      await redis.xgroup("CREATE", key, "g", random(2) ? "0" : `${random(20)}-0`);
      for (let step = 0; step < 8; step++) {
        const what = random(4);
        if (what === 0) await read(redis, key, "g", 1 + random(8));
        else if (what === 1) await redis.xdel(key, `${1 + random(next)}-0`, `${1 + random(next)}-0`);
        else if (what === 2) await redis.xtrim(key, "MAXLEN", random(20));
        else {
          await add(redis, key, ids(5, next));
          next += 5;
        }
        const row = await lagOf(key);
        const after = await redis.xrange(key, nextOf(String(row["lastDeliveredId"])), "+");
        expect(row["lag"], `seed 42, round ${round}, step ${step}`).toBe(after.length);
      }
    }
  });

  test("says at least how many when there are too many to count", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const pipeline = redis.pipeline();
    for (const id of ids(3_000)) pipeline.xadd(key, id, "a", "1");
    await pipeline.exec();
    await redis.xgroup("CREATE", key, "g", "1500-0");
    await redis.xdel(key, "2999-0");
    const row = await lagOf(key, "--count-limit", "100");
    expect(row["lag"]).toBeNull();
    expect(row["lagAtLeast"]).toBeGreaterThanOrEqual(100);
    expect(row["lagAtLeast"]).toBeLessThanOrEqual(1_499);
    expect(await lagOf(key)).toMatchObject({ lag: 1_499, lagAtLeast: null });
    expect(await lagOf(key, "--count-limit", "100", "--exact")).toMatchObject({
      lag: 1_499,
      lagAtLeast: null,
    });
    const table = await cli(["lag", key, "--count-limit", "100", "-o", "table"]);
    expect(table.stdout).toMatch(/≥\d+/);
  });

  test("counts from the stream's beginning when the group is near it", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const pipeline = redis.pipeline();
    for (const id of ids(3_000)) pipeline.xadd(key, id, "a", "1");
    await pipeline.exec();
    await redis.xgroup("CREATE", key, "g", "20-0");
    await redis.xdel(key, "10-0", "30-0");
    expect(await lagOf(key, "--count-limit", "200")).toMatchObject({ lag: 2_979 });
  });
});

function nextOf(id: string): string {
  const [ms, seq] = id.split("-");
  return `${ms}-${Number(seq) + 1}`;
}

describe("lag", () => {
  test("tells ages, tries and consumers", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const [seconds] = await redis.time();
    const hourAgo = Number(seconds) * 1_000 - 3_600_000;
    await add(redis, key, [`${hourAgo}-0`, `${hourAgo + 30_000}-0`, `${hourAgo + 60_000}-0`]);
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 1);
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, "0");
    await read(redis, key, "g", 1);
    const row = await lagOf(key);
    expect(row).toMatchObject({ maxDeliveries: 2, consumers: 1, pending: 2, lag: 1 });
    expect(Number(row["oldestPendingMs"])).toBeGreaterThanOrEqual(3_600_000 - 1_000);
    expect(Number(row["oldestUndeliveredMs"])).toBeGreaterThanOrEqual(3_540_000 - 1_000);
    expect(Number(row["oldestUndeliveredMs"])).toBeLessThan(Number(row["oldestPendingMs"]));
    expect(Object.keys(row)).toEqual([
      "stream",
      "group",
      "lag",
      "lagAtLeast",
      "consumers",
      "pending",
      "oldestPendingMs",
      "oldestUndeliveredMs",
      "maxDeliveries",
      "lastDeliveredId",
      "paused",
      "pausedSince",
      "pausedUntil",
      "pausedBy",
      "pausedReason",
    ]);
  });

  test("ages are by the server's clock, whatever the clock here says", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ["*", "*"]);
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    const row = await lagOf(key);
    vi.useRealTimers();
    expect(Number(row["oldestPendingMs"])).toBeLessThan(60_000);
    expect(Number(row["oldestUndeliveredMs"])).toBeLessThan(60_000);
  });

  test("IDs that are not times have no age", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(2));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 1);
    expect(await lagOf(key)).toMatchObject({
      oldestPendingMs: null,
      oldestUndeliveredMs: null,
      maxDeliveries: 1,
    });
  });

  test("shows several groups and streams, by name and by pattern, each once", async () => {
    const redis = rawRedis();
    const prefix = uniqueKey("many");
    for (const name of ["a", "b"]) {
      await add(redis, `${prefix}:${name}`, ids(2));
      await redis.xgroup("CREATE", `${prefix}:${name}`, "one", "0");
      await redis.xgroup("CREATE", `${prefix}:${name}`, "two", "$");
    }
    const all = await cli(["lag", `${prefix}:*`, `${prefix}:b`]);
    const rows = ndjson(all.stdout).map(
      (row) => `${String(row["stream"])} ${String(row["group"])} ${String(row["lag"])}`,
    );
    expect(rows.sort()).toEqual([
      `${prefix}:a one 2`,
      `${prefix}:a two 0`,
      `${prefix}:b one 2`,
      `${prefix}:b two 0`,
    ]);
    const some = await cli(["lag", `${prefix}:*`, "-g", "two"]);
    expect(ndjson(some.stdout).map((row) => row["group"])).toEqual(["two", "two"]);
  });

  test("many streams, looked at in bulk, give the same rows as one by one", async () => {
    const redis = rawRedis();
    const prefix = uniqueKey("bulk");
    for (let n = 10; n < 80; n++) {
      const key = `${prefix}:${n}`;
      await add(redis, key, ids(5));
      await redis.xgroup("CREATE", key, "g", n % 2 === 0 ? "0" : "2-0");
      await read(redis, key, "g", n % 4);
      if (n % 3 === 0) await redis.xdel(key, "4-0");
    }
    const bulk = ndjson((await cli(["lag", `${prefix}:*`])).stdout);
    expect(bulk).toHaveLength(70);
    for (const row of bulk) expect(await lagOf(String(row["stream"]))).toEqual(row);
  });

  test("1,000 streams with three groups each take a handful of round trips", async ({ skip }) => {
    const redis = rawRedis();
    const old = /redis_version:[56]\./.test(await redis.info("server"));
    skip(old, "before Redis 7.0 no server tells a lag, so the entries are counted");
    const prefix = uniqueKey("thousand");
    const names = Array.from({ length: 1_000 }, (_, n) => `${prefix}:${n}`);
    onTestFinished(async () => void (await redis.del(names)));
    const make = `
      for _, key in ipairs(KEYS) do
        for i = 1, 4 do redis.call('XADD', key, i .. '-0', 'n', i) end
        for n, count in ipairs({1, 2, 4}) do
          redis.call('XGROUP', 'CREATE', key, 'g' .. n, '0')
          redis.call('XREADGROUP', 'GROUP', 'g' .. n, 'c', 'COUNT', count, 'STREAMS', key, '>')
        end
      end`;
    await redis.eval(make, names.length, ...names);
    const proxy = await Proxy.start();
    // All of a batch is on its way before the first of its replies is back, as between two machines.
    proxy.delay(150);
    const rows = ndjson((await cli(["lag", `${prefix}:*`], { url: proxy.url })).stdout);
    expect(rows.map(({ lag }) => lag)).toEqual(names.flatMap(() => [3, 2, 0]));
    // The SCAN takes one for each thousand keys, also those of other tests.
    const scans = Math.ceil((await redis.dbsize()) / 1_000);
    expect(proxy.turns).toBeLessThan(20 + scans);
  });

  test("thresholds: exit 6 names what was crossed, and only above the limit", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const [seconds] = await redis.time();
    await add(redis, key, [`${Number(seconds) * 1_000 - 600_000}-0`, "*", "*"]);
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 1);
    expect((await cli(["lag", key, "--max-lag", "2", "--max-pending", "1", "--max-age", "1h"])).code).toBe(0);
    const lag = await cli(["lag", key, "--max-lag", "1"]);
    expect(lag.code).toBe(6);
    expect(lag.stderr).toContain(`${key} g: lag is 2, above 1`);
    expect((await cli(["lag", key, "--max-pending", "0"])).code).toBe(6);
    const age = await cli(["lag", key, "--max-age", "5m"]);
    expect(age.code).toBe(6);
    expect(age.stderr).toContain("the oldest pending entry is 10m");
    expect(ndjson(age.stdout)).toHaveLength(1);
  });

  test("--max-age says so when it can't tell, because IDs are not times", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(2));
    await redis.xgroup("CREATE", key, "g", "0");
    const { code, stderr } = await cli(["lag", key, "--max-age", "5m"]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      `streamctl: warning: ${key} g: the age of what waits is unknown, its IDs are not times\n`,
    );
    expect((await cli(["lag", key, "--max-lag", "5"])).stderr).toBe("");
    await redis.xgroup("SETID", key, "g", "$");
    expect((await cli(["lag", key, "--max-age", "5m"])).stderr).toBe("");
  });

  test("--wait ends when the group has acked everything", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(2));
    await redis.xgroup("CREATE", key, "g", "0");
    const waiting = cli(["lag", key, "-g", "g", "--wait", "--timeout", "60s"]);
    await read(redis, key, "g", 2);
    await redis.xack(key, "g", "1-0", "2-0");
    const { code, stdout } = await waiting;
    expect(code).toBe(0);
    expect(ndjson(stdout)).toMatchObject([{ lag: 0, pending: 0 }]);
  });

  test("--wait sees a stream that comes later and matches its pattern", async () => {
    const redis = rawRedis();
    const prefix = uniqueKey();
    for (const name of ["a", "b"]) await add(redis, `${prefix}:${name}`, ids(1));
    await redis.xgroup("CREATE", `${prefix}:a`, "g", "0");
    await redis.xgroup("CREATE", `${prefix}:b`, "g", "0");
    const proxy = await Proxy.start();
    let looks = false;
    proxy.onRequest = (bytes) => (looks ||= bytes.includes(`${prefix}:b`));
    const run = new CliRun(["lag", `${prefix}:*`, "--wait", "--timeout", "60s"], { url: proxy.url });
    await until("it has found the streams there are", () => looks);
    await add(redis, `${prefix}:c`, ids(3));
    await redis.xgroup("CREATE", `${prefix}:c`, "g", "0");
    await redis.del(`${prefix}:b`);
    await until(
      "it says so",
      () => run.stderr.includes(`${prefix}:c joined`) && run.stderr.includes(`${prefix}:b left`),
    );
    await redis.xgroup("SETID", `${prefix}:a`, "g", "$");
    await redis.xgroup("SETID", `${prefix}:c`, "g", "$");
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(ndjson(stdout).map((row) => row["stream"])).toEqual([`${prefix}:a`, `${prefix}:c`]);
  });

  test("--wait gives up at its timeout with exit 6 and says what is left", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(2));
    await redis.xgroup("CREATE", key, "g", "0");
    await read(redis, key, "g", 1);
    const { code, stdout, stderr } = await cli(["lag", key, "--wait", "--timeout", "500ms"]);
    expect(code).toBe(6);
    expect(stderr).toContain("1 undelivered and 1 pending in 1 group");
    expect(ndjson(stdout)).toMatchObject([{ lag: 1, pending: 1 }]);
  });

  test.each([
    ["a stream that is not there", () => [uniqueKey("nowhere")], 4, /no such stream: nowhere/],
    ["a pattern that matches nothing", () => [`${uniqueKey("nowhere")}:*`], 4, /no stream matches/],
    ["a timeout without a wait", () => ["x", "--timeout", "1s"], 2, /--timeout goes with --wait/],
    ["a limit that is no number", () => ["x", "--max-lag", "many"], 2, /whole number/],
  ])("%s fails in one line", async (_, args, code, message) => {
    const result = await cli(["lag", ...args()]);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("a group that is not there: exit 4 with the ones that are", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "a", "0", "MKSTREAM");
    await redis.xgroup("CREATE", key, "b", "0");
    const { code, stderr } = await cli(["lag", key, "-g", "billing"]);
    expect(code).toBe(4);
    expect(stderr).toBe(
      `streamctl: error: no group "billing" on ${key}: groups are a, b; create it with streamctl group create ${key} billing\n`,
    );
  });

  test("a key of another type is named with its type", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.lpush(key, "x");
    const { code, stderr } = await cli(["lag", key]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${key} is a list, not a stream`);
  });

  test("no groups: nothing on a pipe, [] as JSON, a note on a terminal", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(1));
    expect(await cli(["lag", key])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await cli(["lag", key, "--json"])).toMatchObject({ code: 0, stdout: "[]\n" });
    expect(await cli(["lag", key], { columns: 80 })).toMatchObject({
      stdout: "",
      stderr: "streamctl: no groups\n",
    });
  });

  test("limits for a stream that has lost its groups: exit 4, and not silence", async () => {
    const redis = rawRedis();
    const [gone, there] = [uniqueKey(), uniqueKey()];
    await add(redis, gone, ids(1));
    await redis.xgroup("CREATE", there, "g", "0", "MKSTREAM");
    for (const flags of [["--max-lag", "5"], ["--max-pending", "5"], ["--max-age", "5m"], ["--wait"]]) {
      const { code, stderr } = await cli(["lag", gone, there, ...flags]);
      expect(code).toBe(4);
      expect(stderr).toContain(`no groups on ${gone}`);
    }
    expect((await cli(["lag", `${gone}*`, "--max-lag", "5"])).stderr).toContain("there are no groups");
    const check = await cli(["lag", gone, there, "--check", "--crit-lag", "5"]);
    expect(check).toMatchObject({ code: 3, stdout: expect.stringContaining(`no groups on ${gone}`) });
    await add(redis, there, ids(9));
    expect((await cli(["lag", gone, there, "--max-lag", "5"])).code).toBe(6);
    expect((await cli(["lag", gone, there, "--check", "--crit-lag", "5"])).code).toBe(2);
  });

  test("an interrupted wait ends with the signal's code", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, ids(1));
    await redis.xgroup("CREATE", key, "g", "0");
    const run = new CliRun(["lag", key, "--wait"], { columns: 80 });
    await until("the wait shows what it waits for", () => run.stderr.includes("1 undelivered"));
    run.signal("SIGINT");
    expect((await run.done).code).toBe(130);
  });
});
