import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../support/cli.ts";
import { pendingRows, pendingStream } from "../support/pending.ts";
import { Proxy } from "../support/proxy.ts";
import { rawRedis, until } from "../support/redis.ts";
import { scratchDir } from "../support/worker.ts";

/** What is far from its server has several requests under way. */
async function farAway(): Promise<Proxy> {
  const proxy = await Proxy.start();
  proxy.delay(15);
  return proxy;
}

/** A stdout that takes some 5,000 entries, and what comes after them when it is told to. */
function haltingStdout() {
  const chunks: Buffer[] = [];
  let taken = 0;
  let halted: (() => void) | undefined;
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      const before = taken;
      taken += chunk.filter((byte) => byte === 0x0a).length;
      if (before < 5_000 && taken >= 5_000) halted = done;
      else done();
    },
  });
  return {
    stdout,
    ids: () => ids(Buffer.concat(chunks).toString()),
    isHalted: () => halted !== undefined,
    goOn: () => halted?.(),
  };
}

describe("consume -g, printed, has several pages under way", () => {
  const upTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n + 1}-1`);

  async function numbered(count: number): Promise<string> {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const fill = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-1', 'n', i) end";
    await redis.eval(fill, 1, key, count);
    return key;
  }

  const pendingCount = async (key: string): Promise<number> =>
    ((await rawRedis().xpending(key, "g")) as [number])[0];

  test.each([
    ["to the end", () => {}, 20_000],
    ["over a lost connection", (_run: CliRun, proxy: Proxy) => proxy.cut(), 20_000],
    ["until a stop, and prints what it was given", (run: CliRun) => run.signal("SIGINT"), undefined],
  ])("%s", async (_how, strike, all) => {
    const key = await numbered(20_000);
    const proxy = await farAway();
    const { stdout, ids: printed, isHalted, goOn } = haltingStdout();
    const argv = ["consume", key, "-g", "g", "--until-empty"];
    const run = new CliRun(argv, { url: proxy.url, stdout });
    await until("it has been halted", isHalted);
    // Two pages were under way, and one being printed, however far the server was.
    await until("more than three pages wait", async () => (await pendingCount(key)) > 5_000);
    strike(run, proxy);
    goOn();
    expect((await run.done).code).toBe(0);
    const got = printed();
    expect(got).toEqual(upTo(all ?? got.length));
    expect(await pendingCount(key)).toBe(0);
    expect(got.length).toBeGreaterThan(7_500);
  });
});

const ids = (text: string): unknown[] => ndjson(text).map(({ id }) => id);

test("claim --limit: no step takes what an earlier one may still take, and each entry is told once", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 3_000);
  // Some in each step are to stay where they are, so that the limit is not reached by what was asked for.
  for (let n = 1; n <= 3_000; n += 250) await redis.xdel(key, `${n}-0`);
  const { url } = await farAway();
  const argv = ["claim", key, "-g", "g", "--all", "--to", "z", "--limit", "1500"];
  const { code, stdout } = await cli(argv, { url });
  expect(code).toBe(0);
  const moved = (await pendingRows(redis, key)).filter(([, owner]) => owner === "z").map(([id]) => id);
  expect(moved).toHaveLength(1_500);
  expect(ids(stdout)).toEqual(moved);
});

test("ack -: steps are under way together, each entry is told once, and a lost reply leaves all of them in doubt", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 6_000);
  const proxy = await farAway();
  const stdin = (from: number, to: number): string =>
    Array.from({ length: to - from + 1 }, (_, n) => `${from + n}-0\n`).join("");
  const argv = ["ack", key, "-g", "g", "-"];
  const first = await cli(argv, { url: proxy.url, stdin: stdin(1, 3_000) });
  expect(first.code).toBe(0);
  expect(ids(first.stdout)).toEqual(Array.from({ length: 3_000 }, (_, n) => `${n + 1}-0`));
  // One for each step, beside those of the start, when none is sent before another is answered.
  expect(proxy.turns).toBeLessThan(30);
  const lost = proxy.loseReplyTo("\r\n4001-0\r\n");
  const [second] = await Promise.all([cli(argv, { url: proxy.url, stdin: stdin(3_001, 6_000) }), lost]);
  expect(second.code).toBe(7);
  const told = ids(second.stdout);
  const [, inDoubt] = /while acking (\d+) entries/.exec(second.stderr) ?? [];
  const acked = 3_000 - (await pendingRows(redis, key)).length;
  expect(told).toEqual(told.map((_, n) => `${3_001 + n}-0`));
  expect(acked).toBeGreaterThanOrEqual(told.length);
  expect(acked).toBeLessThanOrEqual(told.length + Number(inDoubt));
});

test("trim --archive and dlq purge --archive: the archive holds what has gone, in order and nothing twice", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const dlq = `${stream}:dlq`;
  const pipeline = redis.pipeline();
  for (let n = 1; n <= 4_000; n++) {
    pipeline.xadd(stream, `${n}-1`, "n", String(n));
    pipeline.xadd(dlq, `${n}-1`, "n", String(n));
  }
  await pipeline.exec();
  const { url } = await farAway();
  const folder = await scratchDir();
  const [old, dead] = [join(folder, "old.ndjson"), join(folder, "dead.ndjson")];
  const trim = ["trim", stream, "--maxlen", "500", "--exact", "--archive", old, "-o", "ndjson"];
  const [trimmed, purged] = await Promise.all([
    cli(trim, { url }),
    cli(["dlq", "purge", stream, "--all", "-y", "--archive", dead], { url }),
  ]);
  expect([trimmed.code, purged.code]).toEqual([0, 0]);
  expect(ndjson(trimmed.stdout)).toMatchObject([{ removed: 3_500, length: 500 }]);
  const all = Array.from({ length: 4_000 }, (_, n) => `${n + 1}-1`);
  expect(ids(await readFile(old, "utf8"))).toEqual(all.slice(0, 3_500));
  const kept = ids(await readFile(dead, "utf8"));
  expect(kept).toHaveLength(4_000);
  expect(new Set(kept)).toEqual(new Set(all));
  expect(await redis.xlen(dlq)).toBe(0);
});

test("pending --list, with and without fields, has each entry once and in order", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 6_000);
  await redis.xdel(key, "17-0", "4321-0");
  const { url } = await farAway();
  const argv = ["pending", key, "-g", "g", "--list", "--limit", "10000"];
  const all = Array.from({ length: 6_000 }, (_, n) => `${n + 1}-0`);
  const rows = ndjson((await cli(argv, { url })).stdout);
  expect(rows.map(({ id }) => id)).toEqual(all);
  expect(rows.filter(({ missing }) => missing === true).map(({ id }) => id)).toEqual(["17-0", "4321-0"]);
  const full = ndjson((await cli([...argv, "--payload"], { url })).stdout);
  expect(full.map(({ id }) => id)).toEqual(all);
  expect(full[4_999]).toMatchObject({ id: "5000-0", fields: { n: "5000" } });
});

test("dlq replay: each letter moves once, with several sweeps under way", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const dlq = `${stream}:dlq`;
  const fill =
    "for i = 1, 5000 do redis.call('XADD', KEYS[1], i .. '-1', 'n', i, 'dlq.stream', ARGV[1], 'dlq.id', i .. '-0', " +
    "'dlq.group', 'g', 'dlq.consumer', 'c', 'dlq.deliveries', 5, 'dlq.reason', 'exit 1', 'dlq.exit', 1, " +
    "'dlq.stderr', '', 'dlq.failed-at', '2026-11-03T10:00:00.123Z', 'dlq.replays', 0) end";
  await redis.eval(fill, 1, dlq, stream);
  const { url } = await farAway();
  const { code, stderr } = await cli(["dlq", "replay", stream, "--all", "-y"], { url });
  expect({ code, left: await redis.xlen(dlq) }).toEqual({ code: 0, left: 0 });
  expect(stderr).toMatch(/5,?000/);
  const numbers = (await redis.xrange(stream, "-", "+")).map(([, fields]) => Number(fields[1]));
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 5_000 }, (_, n) => n + 1));
});
