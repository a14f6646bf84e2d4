import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { takeScript } from "../../../src/redis/ops/take.ts";
import { uniqueKey } from "../../support/cli.ts";
import { ask, metricsUrl } from "../../support/http.ts";
import { lastingPort } from "../../support/ports.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, deadLetters, fill, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

async function proxied(): Promise<Proxy> {
  const proxy = await Proxy.start();
  onTestFinished(() => proxy.close());
  return proxy;
}

describe("a worker and its connection", () => {
  test("a verdict reached while Redis was away is delivered when it is back; the outage is told once", async () => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const gate = await closedGate();
    const command = `echo started; ${gate.wait}; echo finished`;
    const worker = startWorker(stream, command, ["--claim-idle", "60s"], { url: proxy.url });
    await until("the handler runs", () => worker.stdout.includes("started"));
    proxy.refuse();
    await gate.open();
    await until("the handler ended", () => worker.stdout.includes("finished"));
    await until("the outage is told", () => worker.stderr.includes("waiting for Redis"));
    await until("and lasts", () => proxy.refused > 5);
    proxy.accept();
    await until("the ack arrived", async () => (await pendingIn(redis, stream)) === 0);
    await until("the worker goes on", () => worker.stderr.includes("Redis is back"));
    expect(worker.stderr.match(/waiting for Redis/g)).toHaveLength(1);
    expect(worker.stdout.match(/started/g)).toHaveLength(1);
  });

  test.each([
    ["an ack", "exit 0", 0],
    ["a dead letter", "exit 65", 1],
  ])("%s whose reply is lost is neither lost nor doubled", async (_, command, dead) => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const gate = await closedGate();
    const waiting = `echo started; ${gate.wait}; ${command}`;
    const worker = startWorker(stream, waiting, ["--claim-idle", "60s"], { url: proxy.url });
    await until("the handler runs", () => worker.stdout.includes("started"));
    const lost = proxy.loseReplyTo("EVALSHA");
    await gate.open();
    await lost;
    await until("it is settled", async () => (await pendingIn(redis, stream)) === 0);
    worker.signal("SIGTERM");
    const result = await worker.done;
    expect(result.stderr).toContain(dead ? "0 ok, 1 dead-lettered" : "1 ok, 0 dead-lettered");
    expect(await redis.xlen(`${stream}:dlq`)).toBe(dead);
  });

  test("a batch that takes long to arrive is downloaded once; after one that was lost less is asked for", async () => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    const large = Buffer.alloc(200_000, "x");
    const add = async (count: number): Promise<void> => {
      // At once, so that one read gets them all.
      const adding = redis.multi();
      for (let n = 0; n < count; n++) adding.xadd(stream, "*", "n", large);
      await adding.exec();
    };
    const command = 'while read -r line; do echo "got ${#line}"; done';
    const more = ["--batch", "40", "--batch-wait", "100ms", "--claim-idle", "60s", "-v"];
    const worker = startWorker(stream, command, more, { url: proxy.url });
    const got = (): number => worker.stdout.split("got").length - 1;
    await until("it waits", () => redis.exists(stream));
    proxy.throttle(1_500_000);
    await add(40);
    await until("all have arrived", () => got() === 40);
    expect(worker.stderr).not.toContain("waiting for Redis");
    const asked: number[] = [];
    proxy.onRequest = (bytes) => {
      if (bytes.includes(takeScript.sha))
        asked.push(bytes.latin1Slice().match(/\d{13}-\d+\r\n/g)?.length ?? 0);
    };
    await add(40);
    await until("the read is under way", async () => (await pendingIn(redis, stream)) === 40);
    await new Promise((resolve) => setTimeout(resolve, 500));
    proxy.cut();
    proxy.throttle(Infinity);
    await until("those of the lost reply have run", () => got() === 80);
    expect(asked.slice(0, 2)).toEqual([4, 8]);
  });

  test("a worker that is told to stop while a large read comes slowly stops soon, and hands back what it brings", async () => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    const worker = startWorker(stream, "cat", ["--claim-idle", "60s"], { url: proxy.url });
    await until("it waits", () => redis.exists(stream));
    proxy.throttle(200_000);
    await redis.xadd(stream, "*", "n", Buffer.alloc(8_000_000, "x"));
    await until("the read is under way", async () => (await pendingIn(redis, stream)) === 1);
    worker.signal("SIGTERM");
    const { code, stderr } = await worker.done;
    expect(code).toBe(0);
    expect(stderr).not.toContain("waiting for Redis");
    const [row] = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
    // Handed back: its idle time is that of one which may be taken at once, its delivery is not counted.
    expect(row?.[2]).toBeGreaterThan(59_000);
    expect(row?.[3]).toBe(0);
  });

  test("entries in a reply that was lost are worked on at once, not after --claim-idle", async () => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    const worker = startWorker(
      stream,
      'echo "got $STREAMCTL_DELIVERIES"',
      ["--claim-idle", "60s", "-j", "3"],
      { url: proxy.url },
    );
    await until("the group is there", () => redis.exists(stream));
    await until("the worker reads", async () =>
      ((await redis.client("LIST")) as string).includes("cmd=xreadgroup"),
    );
    proxy.swallowReplies();
    await fill(redis, stream, 3);
    await until("they were delivered to nobody", async () => (await pendingIn(redis, stream)) > 0);
    proxy.cut();
    proxy.pass();
    await until("all were handled", () => worker.stdout === "got 1\n".repeat(3));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test("a peer that goes silent is noticed while the worker waits for entries", async () => {
    const redis = rawRedis();
    const proxy = await proxied();
    const stream = uniqueKey();
    const worker = startWorker(stream, "echo handled", [], { url: proxy.url });
    await until("the group is there", () => redis.exists(stream));
    proxy.swallowBoth();
    await until("it is noticed", () => worker.stderr.includes("waiting for Redis"));
    proxy.cut();
    proxy.pass();
    await fill(redis, stream, 1);
    await until("the entry is handled", () => worker.stdout.includes("handled"));
  });

  test("CLIENT KILL of every connection loses nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 30);
    const worker = startWorker(stream, "sleep 0.02; echo handled", ["-j", "2", "--until-empty"]);
    await until("it works", () => worker.stdout.includes("handled"));
    await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stdout.match(/handled/g)?.length).toBeGreaterThanOrEqual(30);
    expect(await pendingIn(rawRedis(), stream)).toBe(0);
  });

  test("a server that is killed and comes back with its data", async () => {
    const start = await durableServer();
    let server = await start();
    onTestFinished(() => server.stop("SIGKILL"));
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    const gate = await closedGate();
    const command = `echo handled; ${gate.wait}`;
    const worker = startWorker(stream, command, ["--until-empty"], { url: server.url });
    await until("it works", () => worker.stdout.includes("handled"));
    await server.stop("SIGKILL");
    await gate.open();
    await until("it is noticed", () => worker.stderr.includes("waiting for Redis"));
    server = await start();
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stdout.match(/handled/g)).toHaveLength(5);
  });

  test("a group destroyed under the worker is made again after the last settled entry", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const worker = startWorker(stream, 'echo "got $STREAMCTL_ID"');
    await until("three were handled", () => worker.stdout.split("got").length === 4);
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    await redis.xgroup("DESTROY", stream, "g");
    const [id] = await fill(redis, stream, 1);
    await until("the new one is handled", () => worker.stdout.includes(id as string));
    expect(worker.stdout.split("got")).toHaveLength(5);
    expect(worker.stderr).toMatch(/group g on .* had gone: made it again after \d/);
  });

  test("with maxmemory reached the worker waits with its dead letter and delivers it later", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo started; ${gate.wait}; exit 65`, [], { url: server.url });
    await until("the handler runs", () => worker.stdout.includes("started"));
    await redis.config("SET", "maxmemory", "1");
    await gate.open();
    await until("it waits", () => worker.stderr.includes("can't be delivered yet: Redis is out of memory"));
    expect(await pendingIn(redis, stream)).toBe(1);
    await redis.config("SET", "maxmemory", "0");
    await until("it is dead-lettered", async () => (await deadLetters(redis, `${stream}:dlq`)).length === 1);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("with maxmemory reached, dead letters that wait keep no place, and are told once; the worker is not ready", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    const gate = await closedGate();
    const command = `${gate.wait}; case $(cat) in *bad*) exit 65;; esac; echo "done $STREAMCTL_ID"`;
    const worker = startWorker(stream, command, ["--metrics-port", "0", "--claim-idle", "1s"], {
      url: server.url,
    });
    const url = await until("it listens", () => metricsUrl(worker));
    const ready = async (): Promise<number> => (await ask(`${url}/readyz`)).status;
    await until("it is ready", async () => (await ready()) === 200);
    for (let n = 0; n < 5; n++) await redis.xadd(stream, "*", "kind", "bad");
    const good = await fill(redis, stream, 3);
    await redis.config("SET", "maxmemory", "1");
    await gate.open();
    await until("the good ones behind them are done", () =>
      good.every((id) => worker.stdout.includes(`done ${id}`)),
    );
    await until("it is told", () => worker.stderr.includes("can't be delivered yet: Redis is out of memory"));
    expect(await ask(`${url}/readyz`)).toMatchObject({
      status: 503,
      body: expect.stringContaining("out of memory"),
    });
    await redis.config("SET", "maxmemory", "0");
    await until("the letters come", async () => (await redis.xlen(`${stream}:dlq`)) === 5);
    await until("it is ready again", async () => (await ready()) === 200);
    expect(worker.stderr.match(/can't be delivered yet/g)).toHaveLength(1);
    expect(worker.stderr.match(/verdicts are delivered again/g)).toHaveLength(1);
  });

  test("a worker that starts while maxmemory is reached waits, and then makes its group", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await redis.config("SET", "maxmemory", "1");
    const worker = startWorker(stream, "echo handled", [], { url: server.url });
    await until("it waits", () => worker.stderr.includes("waiting for Redis: Redis is out of memory"));
    await redis.config("SET", "maxmemory", "0");
    await until("it works", () => worker.stdout === "handled\n");
    expect(worker.stderr.match(/waiting for Redis/g)).toHaveLength(1);
  });

  test("SCRIPT FLUSH goes unnoticed", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 10);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo handled; ${gate.wait}`, ["--until-empty"]);
    await until("it works", () => worker.stdout.includes("handled"));
    await redis.script("FLUSH");
    await gate.open();
    const result = await worker.done;
    expect(result.stdout.match(/handled/g)).toHaveLength(10);
    expect(result.code).toBe(0);
  });
});

/** Starts the same server, with its data, every time it is called. */
async function durableServer(): Promise<() => Promise<SandboxServer>> {
  const dir = await scratchDir();
  const port = await lastingPort();
  const args = ["--appendonly", "yes", "--appendfsync", "always"];
  return () => SandboxServer.start({ executable: inject("redisExecutable"), dir, port, args });
}
