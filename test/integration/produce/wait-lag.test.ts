import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { streamKey } from "../../../src/entry/names.ts";
import { cli, CliRun, openStdin, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { byCustomer, expectPartitioned, numbered, numbers, summaryOf, valuesOf } from "./support.ts";

async function withGroup(redis: Redis, key = uniqueKey()): Promise<string> {
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  return key;
}

/** Gives the group its next entries. */
async function deliver(redis: Redis, key: string, count: number): Promise<void> {
  await redis.xreadgroup("GROUP", "g", "c", "COUNT", count, "STREAMS", key, ">");
}

async function stays(what: string, probe: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 10; i++) {
    expect(await probe(), what).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe("backpressure", () => {
  test("sending stops when the group is too far behind, and goes on as it catches up", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    const run = new CliRun(["produce", key, "--wait-lag", "g:100", "-v"], { stdin: numbered(1, 1_000) });
    // One more than allowed is what makes it stop.
    await until("it has sent what it may", async () => (await redis.xlen(key)) === 101);
    await stays("no more is sent", async () => (await redis.xlen(key)) === 101);
    expect(run.stderr).toContain(`waiting for g: its lag on ${key} is 101`);
    await deliver(redis, key, 50);
    await until("it sends as many as were taken", async () => (await redis.xlen(key)) === 151);
    await stays("no more is sent", async () => (await redis.xlen(key)) === 151);
    await until("all is sent", async () => {
      await deliver(redis, key, 50);
      return (await redis.xlen(key)) === 1_000;
    });
    expect((await run.done).code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 1_000));
  });

  test("a lag that only a bound is known of counts as above", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (let n = 1; n <= 60; n++) await redis.xadd(key, `${n}-1`, "n", String(n));
    // The server does not know the lag of a group in the middle, and nobody counts further than needed.
    await redis.xgroup("CREATE", key, "g", "20-1");
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "--wait-lag", "g:10", "-v"], { stdin });
    stdin.end('{"n":"61"}\n');
    await until("it waits", () => run.stderr.includes("waiting for g"));
    expect(await redis.xlen(key)).toBe(60);
    await deliver(redis, key, 30);
    expect((await run.done).code).toBe(0);
    expect(await redis.xlen(key)).toBe(61);
  });

  test("a long backlog is counted once, and then to the entry", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    await cli(["produce", key], { stdin: numbered(1, 4_000) });
    await deliver(redis, key, 1_500);
    const run = new CliRun(["produce", key, "--wait-lag", "g:2000", "-v"], { stdin: numbered(4_001, 4_300) });
    await until("it waits", () => run.stderr.includes("waiting for g"));
    await deliver(redis, key, 600);
    await until("it sends as many as may be", async () => (await redis.xlen(key)) === 4_101);
    await stays("no more is sent", async () => (await redis.xlen(key)) === 4_101);
    await deliver(redis, key, 1_000);
    expect((await run.done).code).toBe(0);
    expect(await redis.xlen(key)).toBe(4_300);
  });

  test("0 lets an entry pass whenever the group has been given everything", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    const run = new CliRun(["produce", key, "--wait-lag", "g:0"], { stdin: numbered(1, 3) });
    for (let n = 1; n <= 3; n++) {
      await until("the next one comes", async () => (await redis.xlen(key)) === n);
      await stays("but just one", async () => (await redis.xlen(key)) === n);
      await deliver(redis, key, 1);
    }
    expect((await run.done).code).toBe(0);
  });

  test("of partitions the farthest behind counts", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (let i = 0; i < 3; i++) await withGroup(redis, streamKey(`${key}:${i}`));
    const args = ["--partitions", "3", "--partition-by", "customer", "--wait-lag", "g:20", "-o", "json"];
    const run = new CliRun(["produce", key, ...args], { stdin: byCustomer(1, 2_000) });
    let most = 0;
    const lengths = (): Promise<number[]> => Promise.all([0, 1, 2].map((i) => redis.xlen(`${key}:${i}`)));
    const read = [0, 0, 0];
    await until("all is sent", async () => {
      const there = await lengths();
      there.forEach((length, i) => (most = Math.max(most, length - (read[i] ?? 0))));
      for (let i = 0; i < 3; i++) {
        await deliver(redis, `${key}:${i}`, 20);
        read[i] = Math.min((read[i] ?? 0) + 20, await redis.xlen(`${key}:${i}`));
      }
      return there.reduce((sum, length) => sum + length, 0) === 2_000;
    });
    expect(most).toBeLessThanOrEqual(21);
    expect(summaryOf(await run.done)).toMatchObject({ inRedis: 2_000, complete: true });
    await expectPartitioned(2_000, 3, (index) => valuesOf(redis, `${key}:${index}`));
  });

  test("on a terminal the progress line says what is waited for", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    await redis.xadd(key, "*", "n", "0");
    const run = new CliRun(["produce", key, "--wait-lag", "g:0"], { stdin: numbered(1, 1), columns: 100 });
    await until("it says so", () => run.stderr.includes("waiting for g (lag 1)"));
    await deliver(redis, key, 1);
    expect((await run.done).code).toBe(0);
  });
});

describe("a wait that ends otherwise", () => {
  test("Ctrl-C: at once, with a true count", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    const run = new CliRun(["produce", key, "--wait-lag", "g:10", "-o", "json", "-v"], {
      stdin: numbered(1, 100),
    });
    await until("it waits", () => run.stderr.includes("waiting for g"));
    run.signal("SIGINT");
    const result = await run.done;
    expect(result.code).toBe(130);
    expect(summaryOf(result)).toMatchObject({ inRedis: 11, lastLine: 11, complete: false, error: null });
  });

  test.each([
    ["stream", async () => uniqueKey(), /no such stream: /],
    [
      "group",
      async (redis: Redis) => {
        const key = uniqueKey();
        await redis.xgroup("CREATE", key, "other", "0", "MKSTREAM");
        return key;
      },
      /no group "g" on .*group create .* g --mkstream --if-missing/,
    ],
  ] as [string, (redis: Redis) => Promise<string>, RegExp][])(
    "no such %s: exit 4 before any input is read",
    async (_, make, message) => {
      const key = await make(rawRedis());
      const stdin = openStdin();
      stdin.write(numbered(1, 1));
      const { code, stderr } = await cli(["produce", key, "--wait-lag", "g:10"], { stdin });
      expect(code).toBe(4);
      expect(stderr.replaceAll("\n", " ")).toMatch(message);
    },
  );

  test("partitions on a fresh server: the command that makes what is missing is named, and works", async () => {
    const key = uniqueKey();
    const flags = ["--partitions", "3", "--partition-by", "n", "--wait-lag", "g:10"];
    const fresh = await cli(["produce", key, ...flags], { stdin: numbered(1, 5) });
    expect(fresh.code).toBe(4);
    const command = /streamctl (group create .*)$/m.exec(fresh.stderr)?.[1] ?? "";
    expect(command).toBe(`group create ${key}:0 ${key}:1 ${key}:2 g --mkstream --if-missing`);
    expect((await cli(command.split(" "))).code).toBe(0);
    expect((await cli(["produce", key, ...flags], { stdin: numbered(1, 5) })).code).toBe(0);
    const many = await cli(["produce", `${key}:x`, ...flags.with(1, "64")], { stdin: numbered(1, 5) });
    expect(many.stderr).toContain(`group create $(seq -f '${key}:x:%g' 0 63) g --mkstream`);
  });

  test("a group that goes while it is waited for: exit 4, and what is in Redis is told", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    const run = new CliRun(["produce", key, "--wait-lag", "g:10", "-o", "json", "-v"], {
      stdin: numbered(1, 100),
    });
    await until("it waits", () => run.stderr.includes("waiting for g"));
    await redis.xgroup("DESTROY", key, "g");
    const result = await run.done;
    expect(result.code).toBe(4);
    expect(summaryOf(result)).toMatchObject({ inRedis: 11, lastLine: 11, complete: false });
  });

  test("a connection that is lost while it waits is made anew", async () => {
    const redis = rawRedis();
    const key = await withGroup(redis);
    const proxy = await Proxy.start();
    const args = ["produce", key, "--wait-lag", "g:10", "-v"];
    const run = new CliRun(args, { stdin: numbered(1, 15), url: proxy.url });
    await until("it waits", () => run.stderr.includes("waiting for g"));
    proxy.cut();
    await until("it has connected again", () => proxy.accepted > 2);
    await deliver(redis, key, 11);
    expect((await run.done).code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 15));
  });

  test.each(["g", ":5", "g:x", "g:-1"])("--wait-lag %s is a usage error", async (value) => {
    const { code, stderr } = await cli(["produce", "s", "--wait-lag", value]);
    expect(code).toBe(2);
    expect(stderr).toContain("Give a group and a count, like billing:1000");
  });
});
