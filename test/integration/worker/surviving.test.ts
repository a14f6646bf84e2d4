import type { Redis } from "ioredis";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { DurableServer } from "../../support/chaos/durable-server.ts";
import { uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { lastingPort } from "../../support/ports.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestSentinel } from "../../support/sentinel.ts";
import { closedGate, fill, linesOf, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

async function ownServer(...args: string[]): Promise<SandboxServer> {
  const server = await SandboxServer.start({ executable: inject("redisExecutable"), args });
  onTestFinished(() => server.stop());
  return server;
}

/** A port that no server is given. */
const NOBODY_LISTENS = 1;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** So many entries are pending, and their workers were heard of since then. */
async function isHeld(redis: Redis, stream: string, count: number, sinceMs: number): Promise<boolean> {
  const rows = (await redis.xpending(stream, "g", "-", "+", 100)) as [string, string, number, number][];
  return rows.length === count && rows.every(([, , idleMs]) => idleMs < sinceMs);
}

describe("an outage", () => {
  test("longer than --claim-idle takes nothing from the workers that live through it", async () => {
    const server = await DurableServer.start();
    const stream = uniqueKey();
    const runs = `${await scratchDir()}/runs`;
    await fill(server.redis, stream, 6);
    const gate = await closedGate();
    const command = `echo "$STREAMCTL_ID" >> ${runs}; ${gate.wait}`;
    // Longer than the machine may stand still.
    const more = ["-j", "3", "--claim-idle", "2s"];
    const workers = Array.from({ length: 3 }, () => startWorker(stream, command, more, { url: server.url }));
    await until("all handlers run", async () => (await linesOf(runs)).length === 6);
    await server.killFor(2_500);
    await until("all have beaten again", () => isHeld(server.redis, stream, 6, 1_500));
    await gate.open();
    await until("all are acked", async () => (await pendingIn(server.redis, stream)) === 0);
    expect(await linesOf(runs)).toHaveLength(6);
    for (const worker of workers) expect(worker.stderr).not.toContain("was dropped");
  });

  test("takes nothing from them for a worker that starts when the server is back", async () => {
    const server = await DurableServer.start();
    const proxy = await Proxy.start(server.url);
    const stream = uniqueKey();
    const runs = `${await scratchDir()}/runs`;
    await fill(server.redis, stream, 2);
    const gate = await closedGate();
    const command = `echo "$STREAMCTL_ID" >> ${runs}; ${gate.wait}`;
    startWorker(stream, command, ["-j", "2"], { url: proxy.url });
    await until("the handlers run", async () => (await linesOf(runs)).length === 2);
    // The first worker is a little later at the server than the new one.
    proxy.refuse();
    await server.killFor(1_000);
    const second = startWorker(stream, command, [], { url: server.url });
    await until("the new one works", () => second.stderr.includes("working on"));
    await pause(500);
    proxy.accept();
    await until("the first has beaten again", () => isHeld(server.redis, stream, 2, 400));
    await gate.open();
    await until("both are acked", async () => (await pendingIn(server.redis, stream)) === 0);
    expect(await linesOf(runs)).toHaveLength(2);
  });

  test("of ten seconds is told in two lines, with retries and verdicts waiting", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    await fill(redis, stream, 8);
    const worker = startWorker(stream, "echo started; sleep 1; exit 1", ["-j", "4"], { url: proxy.url });
    await until("handlers run", () => worker.stdout.split("started").length >= 5);
    const before = worker.stderr;
    proxy.refuse();
    await until("it is noticed", () => worker.stderr.includes("waiting for Redis"));
    await pause(10_000);
    expect(worker.stderr.slice(before.length).trim().split("\n")).toHaveLength(1);
    proxy.accept();
    await until("it goes on", () => worker.stderr.includes("Redis is back"));
    await until("the verdicts arrived", () => worker.stderr.split("retry in").length >= 5);
    expect(worker.stderr.match(/waiting for Redis|Redis is back/g)).toHaveLength(2);
  });
});

describe("another server", () => {
  test("one that comes back without its data: the group is made again, and what comes is handled", async () => {
    const executable = inject("redisExecutable");
    const first = await SandboxServer.start({ executable, port: await lastingPort() });
    onTestFinished(() => first.stop("SIGKILL"));
    const redis = rawRedis(first.url);
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const worker = startWorker(stream, 'echo "start $STREAMCTL_ID"; sleep 2', [], { url: first.url });
    await until("a handler runs", () => worker.stdout.includes("start"));
    await first.stop("SIGKILL");
    await until("it is noticed", () => worker.stderr.includes("waiting for Redis"));
    const second = await SandboxServer.start({ executable, port: first.port });
    onTestFinished(() => second.stop("SIGKILL"));
    const [id] = await until("it is back", () => fill(redis, stream, 1).catch(() => undefined));
    await until("what came after it is handled", () => worker.stdout.includes(`start ${id}`));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    for (const said of [/waiting for Redis/g, /Redis is back/g, /had gone/g])
      expect(worker.stderr.match(said)).toHaveLength(1);
  });

  test("Sentinel's failover: the worker goes on with the new master", async () => {
    const sentinel = await TestSentinel.start();
    onTestFinished(() => sentinel.stop());
    const master = rawRedis(sentinel.master.url);
    const stream = uniqueKey();
    await fill(master, stream, 20);
    const worker = startWorker(
      stream,
      'sleep 0.1; echo "handled $STREAMCTL_ID"',
      ["--sentinel", sentinel.address, "--master", "mymaster"],
      { url: "" },
    );
    await until("it works", () => worker.stdout.includes("handled"));
    const replica = rawRedis(sentinel.replica.url);
    await until("the replica has them", async () => (await replica.xlen(stream)) === 20);
    await sentinel.failOver();
    await until("the replica takes writes", async () =>
      (await replica.info("replication")).includes("role:master"),
    );
    const later = await fill(replica, stream, 3);
    await until("what came after the failover is handled", () => worker.stdout.includes(later[2] as string));
    await until("nothing is pending", async () => (await pendingIn(replica, stream)) === 0);
    const [before = ""] = worker.stdout.split(later[0] as string);
    expect(new Set(before.match(/handled \S+/g)).size).toBeGreaterThanOrEqual(20);
    expect(worker.stderr.match(/waiting for Redis/g)?.length ?? 0).toBeLessThanOrEqual(2);
  });

  test("a server that turns into a read-only replica is waited for, and said so once", async () => {
    const server = await ownServer();
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    const worker = startWorker(stream, 'echo "handled $STREAMCTL_ID"', [], { url: server.url });
    await until("the group is there", () => redis.exists(stream));
    // A replica that never hears of its master keeps its data and refuses writes.
    await redis.replicaof("127.0.0.1", NOBODY_LISTENS);
    await until("it waits", () => worker.stderr.includes("waiting for Redis"));
    await pause(2_500);
    expect(worker.stderr.match(/waiting for Redis/g)).toHaveLength(1);
    expect(worker.stderr).not.toContain("max retries");
    await redis.replicaof("NO", "ONE");
    const [id] = await fill(redis, stream, 1);
    await until("it goes on", () => worker.stdout.includes(`handled ${id}`));
    await until("it says so", () => worker.stderr.includes("Redis is back"));
  });

  test("a worker that starts at a read-only replica waits for its promotion, and said so once", async () => {
    const [primary, server] = [await ownServer(), await ownServer()];
    const [first, redis] = [rawRedis(primary.url), rawRedis(server.url)];
    const stream = uniqueKey();
    const [replicated] = await fill(first, stream, 1);
    await redis.replicaof("127.0.0.1", primary.port);
    await until("the replica has the stream", () => redis.exists(stream));
    const worker = startWorker(stream, 'echo "handled $STREAMCTL_ID"', ["--group-start", "0"], {
      url: server.url,
    });
    await until("it waits", () => worker.stderr.includes("waiting for Redis"));
    expect(worker.stderr).toContain("read-only replica");
    const asked = async (): Promise<number> =>
      Number(/total_net_input_bytes:(\d+)/.exec(await redis.info("stats"))?.[1]);
    const before = await asked();
    await pause(4_000);
    expect(worker.stderr.match(/waiting for Redis/g)).toHaveLength(1);
    // It asks every second or two, in some 100 bytes.
    expect((await asked()) - before).toBeGreaterThan(100);
    expect((await asked()) - before).toBeLessThan(3_000);
    await redis.replicaof("NO", "ONE");
    const [id] = await fill(redis, stream, 1);
    await until("it goes on", () => worker.stdout.includes(`handled ${id}`));
    expect(worker.stdout).toContain(`handled ${replicated}`);
    expect(worker.stderr.match(/Redis is back/g)).toHaveLength(1);
  });

  test("a worker that waits at a read-only replica stops with 0 when it is told to", async () => {
    const server = await ownServer();
    await rawRedis(server.url).replicaof("127.0.0.1", NOBODY_LISTENS);
    const worker = startWorker(uniqueKey(), "cat", [], { url: server.url });
    await until("it waits", () => worker.stderr.includes("waiting for Redis"));
    worker.signal("SIGTERM");
    expect((await worker.done).code).toBe(0);
  });

  test("a slot that moves to another node of a cluster under a running worker", async () => {
    const cluster = await TestCluster.start(2);
    onTestFinished(() => cluster.stop());
    const stream = uniqueKey();
    const slot = keySlot(stream);
    const from = cluster.ownerOf(slot);
    const to = 1 - from;
    const ids = await cluster.on(from, (redis) => fill(redis, stream, 30));
    const worker = startWorker(stream, 'sleep 0.05; echo "$STREAMCTL_ID"', ["-j", "2", "--cluster"], {
      url: cluster.url,
    });
    await until("it works", () => worker.stdout.includes(ids[2] as string));
    await cluster.moveSlot(slot, from, to, () => pause(500));
    ids.push(...(await cluster.on(to, (redis) => fill(redis, stream, 5))));
    await until("everything is handled", () => ids.every((id) => worker.stdout.includes(id)));
    await cluster.on(to, (redis) =>
      until("everything is acked", async () => (await pendingIn(redis, stream)) === 0),
    );
    expect(worker.stdout.trim().split("\n")).toHaveLength(ids.length);
  });
});
