import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { LagMemory } from "../../../src/engine/lag/lag-memory.ts";
import { COUNT_LIMIT, groupLags } from "../../../src/engine/lag/lag.ts";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { lastingPort } from "../../support/ports.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";

type Raw = ReturnType<typeof rawRedis>;

/** Adds `<n>-1` for each number of a range. */
async function add(redis: Raw, key: string, from: number, to: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let n = from; n <= to; n++) pipeline.xadd(key, `${n}-1`, "n", String(n));
  await pipeline.exec();
}

async function read(redis: Raw, key: string, count: number): Promise<void> {
  await redis.xreadgroup("GROUP", "g", "c", "COUNT", count, "STREAMS", key, ">");
}

/** Whether the server keeps counters that can be set by hand (Redis 7.0). */
async function keepsCounters(redis: Raw): Promise<boolean> {
  return !/redis_version:[56]\./.test(await redis.info("server"));
}

const AOF = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];

async function rewritten(redis: Raw): Promise<void> {
  await redis.bgrewriteaof();
  await until("the AOF is rewritten", async () => {
    const info = await redis.info("persistence");
    return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
  });
}

describe("a lag whose counters are wrong", () => {
  test("after a restart from an AOF that was rewritten while the group read", async () => {
    const dir = await mkdtemp(join(tmpdir(), "streamctl-aof-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const executable = inject("redisExecutable");
    const port = await lastingPort();
    let server = await SandboxServer.start({ executable, dir, port, args: AOF });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    await redis.xgroup("CREATE", "orders", "g", "0", "MKSTREAM");
    await add(redis, "orders", 1, 1_000);
    await read(redis, "orders", 300);
    await rewritten(redis);
    await read(redis, "orders", 300);
    const argv = ["lag", "orders", "--watch", "--interval", "50ms", "--connect-timeout", "60s"];
    const watch = new CliRun(argv, { url: server.url });
    await until("it is watched", () => ndjson(watch.stdout).some((row) => row["lag"] === 400));
    redis.disconnect();
    await server.stop();
    server = await SandboxServer.start({ executable, dir, port, args: AOF });
    const at = { url: server.url };
    for (const flags of [[], ["--exact"], ["--max-lag", "400"]]) {
      const { code, stdout } = await cli(["lag", "orders", ...flags], at);
      expect(ndjson(stdout)).toMatchObject([{ lag: 400, lagAtLeast: null }]);
      expect(code).toBe(0);
    }
    const { stdout } = await cli(["lag", "orders", "-o", "prometheus"], at);
    expect(stdout).toContain('streamctl_group_lag_entries{stream="orders",group="g"} 400');
    const now = rawRedis(server.url);
    await read(now, "orders", 50);
    await until("the watch goes on", () => ndjson(watch.stdout).some((row) => row["lag"] === 350));
    watch.signal("SIGINT");
    const lags = ndjson((await watch.done).stdout).map((row) => row["lag"]);
    expect(new Set(lags)).toEqual(new Set([400, 350]));
  });

  test("that somebody set by hand", async ({ skip }) => {
    const redis = rawRedis();
    skip(!(await keepsCounters(redis)), "before Redis 7.0 there are no counters to set");
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await add(redis, key, 1, 500);
    await redis.call("XGROUP", "SETID", key, "g", "200-1", "ENTRIESREAD", "450");
    expect(ndjson((await cli(["lag", key])).stdout)).toMatchObject([{ lag: 300 }]);
    await redis.call("XSETID", key, "500-1", "ENTRIESADDED", "9000", "MAXDELETEDID", "0-0");
    expect(ndjson((await cli(["lag", key])).stdout)).toMatchObject([{ lag: 300 }]);
    expect((await cli(["lag", key, "--max-lag", "300"])).code).toBe(0);
    expect((await cli(["lag", key, "--max-lag", "299"])).code).toBe(6);
    const gated = new CliRun(["produce", key, "--wait-lag", "g:299", "-v", "a=1"]);
    await until("it waits", () => gated.stderr.includes(`its lag on ${key} is 300`));
    gated.signal("SIGINT");
    await gated.done;
  });
});

describe("counting", () => {
  test("a limit is decided however far it is, and beyond it there is a bound", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, 1, 9_000);
    await redis.xgroup("CREATE", key, "g", "4000-1");
    const bounded = await cli(["lag", key, "--count-limit", "200"]);
    const [{ lag, lagAtLeast } = {}] = ndjson(bounded.stdout);
    expect(lag).toBeNull();
    expect(Number(lagAtLeast)).toBeGreaterThanOrEqual(200);
    expect(Number(lagAtLeast)).toBeLessThan(3_000);
    expect((await cli(["lag", key, "--count-limit", "200", "--max-lag", "4999"])).code).toBe(6);
    expect((await cli(["lag", key, "--count-limit", "200", "--max-lag", "5000"])).code).toBe(0);
    const check = ["lag", key, "--count-limit", "200", "--check", "--warn-lag", "4999", "--crit-lag"];
    expect((await cli([...check, "5000"])).code).toBe(1);
  });

  test("from the nearer end, whichever that is", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await add(redis, key, 1, 9_000);
    await redis.xgroup("CREATE", key, "early", "150-1");
    await redis.xgroup("CREATE", key, "late", "8850-1");
    const { stdout } = await cli(["lag", key, "--count-limit", "200"]);
    expect(ndjson(stdout)).toMatchObject([{ lag: 8_850 }, { lag: 150 }]);
  });

  test("a user who may run no scripts gets the same numbers", async () => {
    const redis = rawRedis();
    const prefix = uniqueKey("noscripts");
    for (let n = 0; n < 60; n++) {
      await add(redis, `${prefix}:${n}`, 1, 150);
      await redis.xgroup("CREATE", `${prefix}:${n}`, "g", `${n + 20}-1`);
    }
    const names = Array.from({ length: 60 }, (_, n) => `${prefix}:${n}`);
    const rules = [
      `~${prefix}:*`,
      "+xinfo|stream",
      "+xinfo|groups",
      "+xrange",
      "+xpending",
      "+time",
      "+info",
    ];
    const old = !(await keepsCounters(redis));
    const { url } = await userWith(redis, old ? ["~*", "+xinfo", ...rules.slice(3)] : rules);
    for (const streams of [names, names.slice(0, 1)]) {
      const { stdout, stderr } = await cli(["lag", ...streams], { url });
      expect(stderr).toBe("");
      expect(ndjson(stdout).map((row) => row["lag"])).toEqual(streams.map((_, n) => 130 - n));
    }
    const exact = await cli(["lag", names[0] as string, "--exact"], { url });
    expect(ndjson(exact.stdout)).toMatchObject([{ lag: 130 }]);
  });

  test("entries of a megabyte are counted without holding them all in the server's memory", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const value = Buffer.alloc(1_000_000, "x");
    for (let n = 1; n <= 60; n++) await redis.xadd(key, `${n}-1`, "v", value);
    onTestFinished(async () => void (await redis.del(key)));
    await redis.xgroup("CREATE", key, "g", "30-1");
    expect(ndjson((await cli(["lag", key])).stdout)).toMatchObject([{ lag: 30 }]);
  });

  test("a watch counts a long stream once, over several looks, and then goes on by differences", async ({
    skip,
  }) => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    skip(!(await keepsCounters(redis)), "before Redis 7.0 there are no counters to go on by");
    await redis.xgroup("CREATE", "orders", "g", "0", "MKSTREAM");
    await add(redis, "orders", 1, 20_000);
    await read(redis, "orders", 10_000);
    const argv = ["lag", "orders", "--watch", "--interval", "30ms", "--count-limit", "1000"];
    const run = new CliRun(argv, { url: server.url });
    await until("it is counted", () => ndjson(run.stdout).some((row) => row["lag"] === 10_000));
    const first = ndjson(run.stdout);
    const bounds = first.map((row) => row["lagAtLeast"]).filter((bound) => bound !== null) as number[];
    expect(bounds.length).toBeGreaterThan(3);
    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
    const counted = async (): Promise<number> =>
      Number(/cmdstat_xrange:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1]);
    await add(redis, "orders", 20_001, 20_500);
    await read(redis, "orders", 100);
    await until("it shows what is now", () => ndjson(run.stdout).at(-1)?.["lag"] === 10_400);
    const [before, lines] = [await counted(), ndjson(run.stdout).length];
    await until("20 more looks", () => ndjson(run.stdout).length >= lines + 20);
    const looks = ndjson(run.stdout).length - lines + 1;
    // The first step of a look takes some ten pages, all of it some fifty.
    expect((await counted()) - before).toBeLessThan(looks * 15);
    run.signal("SIGINT");
    const lags = new Set(ndjson((await run.done).stdout).map((row) => row["lag"]));
    for (const lag of lags) expect([null, 10_000, 10_500, 10_400]).toContain(lag);
  });
});

test("counters set by hand while the group reads on mislead what looks again for a while, and not for ever", async ({
  skip,
}) => {
  const redis = rawRedis();
  skip(!(await keepsCounters(redis)), "before Redis 7.0 there are no counters to go on by");
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  await add(redis, key, 1, 30_000);
  await read(redis, key, 14_000);
  const connection = await openConnection();
  const request = { streams: [key], named: new Set([key]), signal: new AbortController().signal };
  const look = async (memory: LagMemory): Promise<number | null | undefined> =>
    (await groupLags(connection, { ...request, countLimit: COUNT_LIMIT, memory }))[0]?.lag;
  const [soon, late] = [new LagMemory({ recountMs: 0 }), new LagMemory()];
  expect([await look(soon), await look(late)]).toEqual([16_000, 16_000]);
  await read(redis, key, 1_000);
  await redis.call("XGROUP", "SETID", key, "g", "15000-1", "ENTRIESREAD", "14500");
  // The look after this one has more to count than it may.
  expect([await look(soon), await look(late)]).toEqual([15_500, 15_500]);
  expect([await look(soon), await look(late)]).toEqual([15_000, 15_500]);
  expect(await look(soon)).toBe(15_000);
});

/** One thing that happens to a stream and its group; numbers are parts of what there is. */
type Step =
  | { readonly kind: "add" | "read"; readonly count: number }
  | { readonly kind: "setId" | "delete" | "trim"; readonly part: number }
  | { readonly kind: "rewrite" | "reload" }
  | { readonly kind: "counters"; readonly value: number };

const part = fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20);
const count = fc.integer({ min: 1, max: 400 });
const movement = [
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("add" as const, "read" as const), count }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), part }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("setId" as const, "trim" as const), part }) },
];
const lies = [
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("rewrite" as const, "reload" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("counters" as const),
      value: fc.integer({ min: 0, max: 2_000 }),
    }),
  },
];

describe("against a model that counts", () => {
  let server: SandboxServer;
  beforeAll(async () => {
    const executable = inject("redisExecutable");
    // Only Redis 7.0 and later have to be asked for DEBUG, and know the option.
    server = await SandboxServer.start({
      executable,
      args: [...AOF, "--enable-debug-command", "yes"],
    }).catch(() => SandboxServer.start({ executable, args: AOF }));
  });
  afterAll(() => server.stop());

  class Model {
    readonly key = uniqueKey();
    readonly #redis: Raw;
    readonly #counters: boolean;
    #entries: number[] = [];
    #added = 0;
    #position = 0;

    constructor(redis: Raw, counters: boolean) {
      this.#redis = redis;
      this.#counters = counters;
    }

    get lag(): number {
      return this.#entries.filter((n) => n > this.#position).length;
    }

    async take(step: Step): Promise<void> {
      const redis = this.#redis;
      switch (step.kind) {
        case "add": {
          await add(redis, this.key, this.#added + 1, this.#added + step.count);
          for (let left = step.count; left > 0; left--) this.#entries.push(++this.#added);
          return;
        }
        case "read":
          await read(redis, this.key, step.count);
          this.#position =
            this.#entries
              .filter((n) => n > this.#position)
              .slice(0, step.count)
              .at(-1) ?? this.#position;
          return;
        case "setId":
          this.#position = this.#at(step.part);
          await redis.xgroup("SETID", this.key, "g", `${this.#position}-1`);
          return;
        case "delete": {
          const n = this.#at(step.part);
          await redis.xdel(this.key, `${n}-1`);
          this.#entries = this.#entries.filter((other) => other !== n);
          return;
        }
        case "trim": {
          const most = Math.round(this.#entries.length * (1 - step.part));
          await redis.xtrim(this.key, "MAXLEN", most);
          this.#entries = most === 0 ? [] : this.#entries.slice(-most);
          return;
        }
        case "rewrite":
          await rewritten(redis);
          return;
        case "reload":
          await redis.call("DEBUG", "LOADAOF");
          return;
        case "counters": {
          if (!this.#counters) return;
          const at = `${this.#position}-1`;
          await redis.call("XGROUP", "SETID", this.key, "g", at, "ENTRIESREAD", String(step.value));
        }
      }
    }

    #at(share: number): number {
      return Math.max(1, Math.round(this.#added * share));
    }
  }

  async function history(steps: readonly Step[], check: (model: Model, step: number) => Promise<void>) {
    const redis = rawRedis(server.url);
    const model = new Model(redis, await keepsCounters(redis));
    await redis.xgroup("CREATE", model.key, "g", "0", "MKSTREAM");
    for (const [n, step] of steps.entries()) {
      await model.take(step);
      await check(model, n);
    }
    await redis.del(model.key);
    redis.disconnect();
  }

  test("a single look is right whatever the counters say", async () => {
    const connection = await openConnection(server.url);
    const { signal } = new AbortController();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...movement, ...lies), { minLength: 4, maxLength: 16 }), (steps) =>
        history(steps, async (model) => {
          const request = { streams: [model.key], named: new Set([model.key]), signal };
          const [whole] = await groupLags(connection, { ...request, countLimit: COUNT_LIMIT });
          expect(whole).toMatchObject({ lag: model.lag, lagAtLeast: null });
          const [part] = await groupLags(connection, { ...request, countLimit: 50 });
          if (part?.lag === null) expect(part.lagAtLeast).toBeLessThanOrEqual(model.lag);
          else expect(part?.lag).toBe(model.lag);
        }),
      ),
      { numRuns: 25 },
    );
  });

  test("what looks again and again is right at each look, or has a bound", async () => {
    const connection = await openConnection(server.url);
    const { signal } = new AbortController();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...movement), { minLength: 6, maxLength: 24 }),
        fc.constantFrom(50, 300, COUNT_LIMIT),
        fc.constantFrom(0, 60_000),
        (steps, countLimit, recountMs) => {
          const memory = new LagMemory({ recountMs });
          return history(steps, async (model) => {
            const named = new Set([model.key]);
            const request = { streams: [model.key], named, countLimit, memory, signal };
            const [row] = await groupLags(connection, request);
            if (row?.lag === null) expect(row.lagAtLeast).toBeLessThanOrEqual(model.lag);
            else expect(row?.lag).toBe(model.lag);
          });
        },
      ),
      { numRuns: 40 },
    );
  });
});
