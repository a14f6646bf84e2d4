import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis, until } from "../../support/redis.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

/** Runs `work` on the node that holds `key`. */
function onOwner<T>(key: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  return cluster.on(cluster.ownerOf(keySlot(key)), work);
}

async function filled(key: string, entries: number): Promise<void> {
  await onOwner(key, async (redis) => {
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const pipeline = redis.pipeline();
    for (let i = 1; i <= entries; i++) pipeline.xadd(key, `${i}-1`, "n", String(i));
    await pipeline.exec();
  });
}

async function pendingAndConsumers(key: string): Promise<unknown> {
  return onOwner(key, async (redis) => {
    const [row] = (await redis.xinfo("GROUPS", key)) as unknown[][];
    return ["pending", "consumers"].map((name) => row?.[row.indexOf(name) + 1]);
  });
}

const streamsOf = (stdout: string): unknown[] => ndjson(stdout).map(({ stream }) => stream);

/** The IDs of the clients that a node has blocked. */
function blockedOn(node: number): Promise<number[]> {
  return cluster.on(node, async (redis) => {
    const lines = String(await redis.client("LIST")).split("\n");
    return lines
      .filter((line) => / flags=\w*b/.test(line))
      .map((line) => Number(/^id=(\d+)/.exec(line)?.[1]));
  });
}

/** A client of another program that has this ID on that node is blocked there, until the test ends. */
async function blockAs(node: number, id: number): Promise<void> {
  for (;;) {
    const redis = rawRedis(cluster.node(node).url);
    const own = await redis.client("ID");
    if (own < id) {
      redis.disconnect();
      continue;
    }
    expect(own).toBe(id);
    const key = `{${keyOn(node)}}list`;
    redis.blpop(key, 0).catch(() => {});
    await until("it is blocked", async () => (await blockedOn(node)).includes(id));
    return;
  }
}

/** A key that the node holds. */
function keyOn(node: number): string {
  for (;;) {
    const key = uniqueKey();
    if (cluster.ownerOf(keySlot(key)) === node) return key;
  }
}

/** Streams of three different nodes. */
function spread(): string[] {
  const base = uniqueKey("spread");
  const streams: string[] = [];
  for (let i = 0; streams.length < 3; i++) {
    const key = `${base}:${i}`;
    const taken = streams.map((other) => cluster.ownerOf(keySlot(other)));
    if (!taken.includes(cluster.ownerOf(keySlot(key)))) streams.push(key);
  }
  return streams;
}

describe("a cluster's node without --cluster", () => {
  const argvs: [string, (key: string) => string[]][] = [
    ["a range", (key) => ["consume", key]],
    ["a group", (key) => ["consume", key, "-g", "g", "--idle-exit", "1s"]],
    ["produce", (key) => ["produce", key, "n=1"]],
    ["produce from stdin", (key) => ["produce", key, "--input", "lines", "--field", "n"]],
    ["lag", (key) => ["lag", key]],
    ["dlq list", (key) => ["dlq", "list", key]],
    ["claim", (key) => ["claim", key, "-g", "g", "--all", "--to", "c"]],
    ["trim", (key) => ["trim", key, "--maxlen", "1"]],
  ];
  test.each(argvs)("%s of another node's key: one line that names --cluster, exit 3", async (_, argv) => {
    const key = keyOn(2);
    await filled(key, 1);
    const { code, stdout, stderr } = await cli(argv(key), { url: cluster.url, stdin: "1\n" });
    expect(stdout).toBe("");
    expect(stderr).toMatch(/one node of a cluster/);
    expect(stderr).toContain("--cluster");
    expect(stderr).not.toContain("MOVED");
    expect(code).toBe(3);
  });

  test("a worker says so before it takes anything, also on a stream of that node", async () => {
    const key = keyOn(0);
    await filled(key, 1);
    const { code, stderr } = await cli(["consume", key, "-g", "g", "--until-empty", "--exec", "exit 65"], {
      url: cluster.url,
    });
    expect(code).toBe(3);
    expect(stderr).toContain("--cluster");
    expect(await pendingAndConsumers(key)).toEqual([0, 0]);
  });
});

describe("consume in a cluster", () => {
  test("reads a group of streams of all nodes in turn, and acks each where it lives", async () => {
    const streams = spread();
    for (const key of streams) await filled(key, 1_500);
    const argv = ["consume", ...streams, "-g", "g", "--cluster", "--until-empty"];
    const { code, stdout } = await cli(argv, { url: cluster.url });
    expect(code).toBe(0);
    for (const key of streams) {
      expect(ndjson(stdout).filter(({ stream }) => stream === key)).toHaveLength(1_500);
      expect(await pendingAndConsumers(key)).toEqual([0, 0]);
    }
    // None was read to its end before the others began.
    const begins = streams.map((key) => streamsOf(stdout).indexOf(key));
    expect(Math.max(...begins)).toBeLessThan(1_500);
  });

  test("--count over several slots takes no more than it prints", async () => {
    const streams = spread();
    for (const key of streams) await filled(key, 100);
    const argv = ["consume", ...streams, "-g", "g", "--cluster", "--count", "7"];
    const { stdout } = await cli(argv, { url: cluster.url });
    expect(streamsOf(stdout)).toHaveLength(7);
    for (const key of streams) expect(await pendingAndConsumers(key)).toEqual([0, 0]);
  });

  test("follows streams of several slots, and stops cleanly", async () => {
    const streams = spread();
    const argv = ["consume", ...streams, "-f", "--from", "-", "--cluster"];
    const run = new CliRun(argv, { url: cluster.url });
    for (const key of streams) await onOwner(key, (redis) => redis.xadd(key, "1-1", "n", "1"));
    await until("each is printed", () => streamsOf(run.stdout).length === 3);
    for (const key of streams) await onOwner(key, (redis) => redis.xadd(key, "2-1", "n", "2"));
    await until("each is printed again", () => streamsOf(run.stdout).length === 6);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
  });

  test("a group and a consumer may be called streams, for reading and for working", async () => {
    const streams = spread();
    for (const key of streams) {
      await onOwner(key, async (redis) => {
        await redis.xadd(key, "1-1", "n", "1");
        await redis.xadd(key, "2-1", "n", "2");
        await redis.xgroup("CREATE", key, "STREAMS", "0");
      });
    }
    const names = ["-g", "STREAMS", "--consumer", "streams", "--cluster"];
    const ends = ["--count", "3", "--max-runtime", "60s"];
    const read = await cli(["consume", ...streams, ...names, ...ends], { url: cluster.url });
    expect(streamsOf(read.stdout)).toHaveLength(3);
    for (const order of [[], ["--order-by", "n"]]) {
      const group = order.length === 0 ? "STREAMS" : "block";
      const argv = ["consume", ...streams, ...names, "-g", group, "--create-group", ...order];
      const worked = await cli([...argv, "--until-empty", "--max-runtime", "60s", "--exec", "echo handled"], {
        url: cluster.url,
      });
      expect(worked.stdout.match(/handled/g)).toHaveLength(group === "STREAMS" ? 3 : 6);
    }
  });

  test("stopping wakes its own read, and no other program's on another node", async () => {
    const [key = ""] = spread();
    await filled(key, 1);
    const owner = cluster.ownerOf(keySlot(key));
    // IDs are each node's own: the owner's must be ahead of the others', so that those can be brought level.
    for (let n = 0; n < 150; n++) await cluster.on(owner, (redis) => redis.ping());
    const run = new CliRun(["consume", key, "-g", "g", "--cluster"], { url: cluster.url });
    await until("it waits", async () => run.stdout !== "" && (await blockedOn(owner)).length > 0);
    const [id = 0] = await blockedOn(owner);
    const others = [0, 1, 2].filter((node) => node !== owner);
    for (const node of others) await blockAs(node, id);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
    for (const node of others) expect(await blockedOn(node)).toEqual([id]);
  });

  test("goes on where a slot went while it was read", async ({ skip }) => {
    const info = await cluster.on(0, (redis) => redis.info("server"));
    skip(
      info.includes("redict_version"),
      "Redict 7.3 crashes when a key is migrated that a client blocks on",
    );
    const [key = ""] = spread();
    await filled(key, 10);
    const run = new CliRun(["consume", key, "-g", "g", "--cluster"], { url: cluster.url });
    await until("it reads", () => streamsOf(run.stdout).length === 10);
    const slot = keySlot(key);
    const from = cluster.ownerOf(slot);
    const to = (from + 1) % 3;
    await cluster.moveSlot(slot, from, to);
    await cluster.on(to, (redis) => redis.xadd(key, "11-1", "n", "11"));
    await until("it reads there", () => streamsOf(run.stdout).length === 11);
    run.signal("SIGINT");
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(ndjson(stdout).map(({ id }) => id)).toEqual(Array.from({ length: 11 }, (_, i) => `${i + 1}-1`));
    await cluster.moveSlot(slot, to, from);
    expect(await pendingAndConsumers(key)).toEqual([0, 0]);
  });
});
