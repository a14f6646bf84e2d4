import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { groupName } from "../../../src/entry/names.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { drain, fill, pendingIn, startWorker } from "../../support/worker.ts";

/** By name, how many entries each consumer of group g holds. */
async function consumersOf(redis: Redis, stream: string): Promise<Map<string, number>> {
  const rows = (await redis.xinfo("CONSUMERS", stream, "g")) as (string | number)[][];
  return new Map(rows.map(([, name, , pending]) => [String(name), Number(pending)]));
}

/** Redis 7.2 and later tell when a consumer last asked for entries; before, when it last got some. */
async function tellsAttempts(redis: Redis, stream: string): Promise<boolean> {
  const rows = (await redis.xinfo("CONSUMERS", stream, "g")) as string[][];
  return rows.some((row) => row.includes("inactive"));
}

/** A consumer with so many of the stream's entries, of which nothing is heard any more. */
async function leaveBehind(redis: Redis, stream: string, name: string, count: number): Promise<void> {
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM").catch(() => {});
  await redis.xreadgroup("GROUP", "g", name, "COUNT", count, "STREAMS", stream, ">");
}

const gone = async (redis: Redis, stream: string, name: string): Promise<boolean> =>
  !(await consumersOf(redis, stream)).has(name);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A worker behind the proxy asks and is answered again and again: heartbeats included. */
async function goesOn(proxy: Proxy): Promise<void> {
  const { turns } = proxy;
  await until("it goes on", () => proxy.turns > turns + 12);
}

/** Does something every few ms; gives the way to stop it. */
function repeat(step: () => Promise<unknown>): () => Promise<void> {
  const stop = new AbortController();
  const repeated = (async () => {
    for (; !stop.signal.aborted; await pause(40)) await step();
  })();
  return () => {
    stop.abort();
    return repeated;
  };
}

describe("a consumer whose process has gone does not stay for ever:", () => {
  test("that of a killed worker goes with the last of its entries", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    await leaveBehind(redis, stream, "host-17-00c0ffee", 3);
    const worker = startWorker(stream, "echo ran", ["-j", "2"]);
    await until("all is done", () => worker.stdout.match(/ran/g)?.length === 5);
    await until("it has gone", () => gone(redis, stream, "host-17-00c0ffee"));
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("one with a name of its choice, too", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await leaveBehind(redis, stream, "worker-1", 1);
    startWorker(stream, "true");
    await until("it has gone", () => gone(redis, stream, "worker-1"));
  });

  test("also when the worker that took its entries ends right away", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    await leaveBehind(redis, stream, "host-17-00c0ffee", 4);
    expect(await drain(stream, "true", ["-j", "2"])).toMatchObject({ code: 0 });
    expect([...(await consumersOf(redis, stream)).keys()]).toEqual([]);
  });

  test("with --order-by, what waits behind its entries included, and what was acked by hand stays acked", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids: string[] = [];
    for (const key of ["a", "a", "a", "b"]) ids.push((await redis.xadd(stream, "*", "key", key)) as string);
    const proxy = await Proxy.start();
    const ordered = ["--order-by", "key", "-j", "2"];
    const first = startWorker(stream, "echo started; sleep 30", ordered, { url: proxy.url });
    await until("it works", () => first.stdout.split("started").length === 3);
    proxy.hold();
    expect([...(await consumersOf(redis, stream)).values()]).toEqual([4]);
    const [name = ""] = (await consumersOf(redis, stream)).keys();
    const [one, two, byHand, other] = ids;
    await redis.xack(stream, "g", byHand as string);
    const second = startWorker(stream, 'echo "$STREAMCTL_ID"', ordered);
    await until("the rest is done", () => second.stdout.split("\n").length === 4);
    await until("it has gone", () => gone(redis, stream, name));
    proxy.release();
    await goesOn(proxy);
    expect(second.stdout.trim().split("\n").sort()).toEqual([one, two, other]);
    expect((await redis.hkeys(`${stream}:held:g`)).filter((field) => ids.includes(field))).toEqual([]);
  });

  test("that of a clean stop which left a retry waiting goes when another worker has taken it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const slow = ["--retry-delay", "600ms", "--retry-max-delay", "600ms"];
    const first = startWorker(stream, "exit 1", slow);
    await until("its retry waits", () => first.stderr.includes("retry in"));
    first.signal("SIGTERM");
    expect(await first.done).toMatchObject({ code: 0 });
    const [name = ""] = (await consumersOf(redis, stream)).keys();
    expect([...(await consumersOf(redis, stream)).values()]).toEqual([1]);
    const second = startWorker(stream, "echo ran", slow);
    await until("it is retried", () => second.stdout === "ran\n");
    await until("it has gone", () => gone(redis, stream, name));
  });

  test("that of replays goes when they have been taken", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    expect(await drain(stream, "exit 65")).toMatchObject({ code: 0 });
    expect(await cli(["dlq", "replay", stream, "--all", "-y"])).toMatchObject({ code: 0 });
    expect([...(await consumersOf(redis, stream))]).toEqual([["streamctl-replay", 3]]);
    // However long --claim-idle is: nobody reads by this name.
    expect(await drain(stream, "true", ["--claim-idle", "10m"])).toMatchObject({ code: 0 });
    expect([...(await consumersOf(redis, stream)).keys()]).toEqual([]);
  });

  test("a name made up for a worker that was killed with nothing in hand goes when another starts", async (context) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 2);
    await leaveBehind(redis, stream, "host-17-00c0ffee", 1);
    await leaveBehind(redis, stream, "worker-1", 1);
    await redis.xack(stream, "g", ...ids);
    if (!(await tellsAttempts(redis, stream)))
      return context.skip(
        "this server does not tell a consumer that waits for entries from one that is gone",
      );
    startWorker(stream, "true");
    await until("it has gone", () => gone(redis, stream, "host-17-00c0ffee"));
    expect(await gone(redis, stream, "worker-1")).toBe(false);
  });
});

test("what says where to make a destroyed group again stays when the last consumer that Redis knows is removed", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  await leaveBehind(redis, stream, "worker-1", 1);
  const worker = startWorker(stream, "echo ran");
  await until("it has been taken", () => worker.stdout === "ran\n");
  await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
  const last = await redis.hget(`${stream}:held:g`, "last");
  expect(last).not.toBeNull();
  const streams = streamsOf(await openConnection());
  const member = { group: groupName("g"), consumer: "other", holders: () => `${stream}:held:g` };
  // Before 7.2, a worker that was deleted by hand is back only with its next entry.
  for (const name of (await consumersOf(redis, stream)).keys())
    if (name !== "worker-1") await redis.xgroup("DELCONSUMER", stream, "g", name);
  await streams.forgetSilent(stream, member, [{ name: "worker-1", silentMs: 0 }]);
  expect(await redis.hget(`${stream}:held:g`, "last")).toBe(last);
});

/** Longer than this machine stands still, or a living one would count as gone. */
const SLOWER = ["--claim-idle", "3s"];

describe("a consumer whose process lives stays:", () => {
  test("one that has nothing in hand, but goes on asking for entries", async (context) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await leaveBehind(redis, stream, "worker-1", 1);
    if (!(await tellsAttempts(redis, stream)))
      return context.skip("this server does not tell that a consumer asks for entries");
    const stopAsking = repeat(() =>
      redis.xreadgroup("GROUP", "g", "worker-1", "COUNT", 1, "STREAMS", stream, "9999999999999-0"),
    );
    await fill(redis, stream, 1);
    await leaveBehind(redis, stream, "worker-2", 1);
    const worker = startWorker(stream, "echo ran", SLOWER);
    await until("both have been taken", () => worker.stdout === "ran\nran\n");
    await until("the one that does not ask has gone", () => gone(redis, stream, "worker-2"));
    await stopAsking();
    expect(await gone(redis, stream, "worker-1")).toBe(false);
  });

  test("one that was given more", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    await leaveBehind(redis, stream, "worker-1", 1);
    await fill(redis, stream, 1);
    await leaveBehind(redis, stream, "worker-2", 1);
    const [later] = await fill(redis, stream, 1);
    const worker = startWorker(stream, "echo ran", ["-j", "3", ...SLOWER]);
    await until("that is done", () => worker.stdout === "ran\n");
    await until("and acked", async () => (await pendingIn(redis, stream)) === 2);
    const stopKeeping = repeat(() =>
      redis.xclaim(stream, "g", "worker-1", 0, later as string, "FORCE", "JUSTID"),
    );
    await until("the others have been taken", () => worker.stdout === "ran\nran\nran\n");
    await until("the one that was given none has gone", () => gone(redis, stream, "worker-2"));
    await stopKeeping();
    expect(id).toBeDefined();
    expect((await consumersOf(redis, stream)).get("worker-1")).toBe(1);
  });
});

describe("a worker whose consumer others have removed while it stood still", () => {
  test("does not take for thrown away what they have run and acked", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const proxy = await Proxy.start();
    const ids = await fill(redis, stream, 3);
    const retry = ["--retry-delay", "500ms", "--retry-max-delay", "500ms", "-j", "3"];
    const paused = startWorker(stream, "exit 1", retry, { url: proxy.url });
    await until("its retries wait", () =>
      ids.every((id) => paused.stderr.split("\n").some((line) => /retry in/.test(line) && line.includes(id))),
    );
    proxy.hold();
    const [name = ""] = (await consumersOf(redis, stream)).keys();
    const other = startWorker(stream, 'echo "$STREAMCTL_ID"', retry);
    await until("another has run them", () => other.stdout.split("\n").length === 4);
    await until("and removed the consumer", () => gone(redis, stream, name));
    proxy.release();
    const [later] = await fill(redis, stream, 1);
    await until("all is acked", async () => {
      return other.stdout.includes(later as string) || paused.stderr.includes(later as string);
    });
    await goesOn(proxy);
    const runs = other.stdout.trim().split("\n");
    for (const id of ids) expect(runs.filter((run) => run === id)).toHaveLength(1);
    expect(paused.stderr).not.toContain("pending again");
  });
});
