import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { type CliRun, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, deadLetters, fill, pendingIn, startWorker } from "../../support/worker.ts";

/** Its data goes while the handler runs, which lasts for some heartbeats more. From Redis 7.0 on they clear its place. */
async function trimWhileRunning(
  redis: Redis,
  command: string,
  more: string[] = [],
): Promise<{ id: string; stream: string; worker: CliRun }> {
  const stream = uniqueKey();
  const [id = ""] = await fill(redis, stream, 1);
  const gate = await closedGate();
  const worker = startWorker(stream, `echo started >&2; ${gate.wait}; ${command}`, more);
  await until("the handler runs", () => worker.stderr.includes("started"));
  await redis.xtrim(stream, "MAXLEN", 0);
  await sleep(600);
  await gate.open();
  return { id, stream, worker };
}

describe("an entry whose data is trimmed while its handler runs", () => {
  test("is dead-lettered all the same, with its fields", async () => {
    const redis = rawRedis();
    const { id, stream, worker } = await trimWhileRunning(redis, "echo bad >&2; exit 65");
    await until("it is dead-lettered", () => worker.stderr.includes("dead-lettered after"));
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "0", "dlq.id": id, "dlq.reason": "exit 65", "dlq.stderr": "started\nbad\n" },
    ]);
    await until("nothing is pending", async () => (await pendingIn(redis, stream)) === 0);
    expect(await redis.keys(`*moved:${stream}*`)).toEqual([]);
  });

  test("is dead-lettered when it fails: there is nothing left that could be run again", async () => {
    const redis = rawRedis();
    const { id, stream, worker } = await trimWhileRunning(redis, "echo bad >&2; exit 3");
    await until("it is told", () => worker.stderr.includes("dead-lettered after"));
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      {
        n: "0",
        "dlq.id": id,
        "dlq.reason": "exit 3; no retry: its data has gone from the stream",
        "dlq.exit": "3",
        "dlq.stderr": "started\nbad\n",
      },
    ]);
  });

  test("is dead-lettered when it fails before a heartbeat has met it", async () => {
    const redis = rawRedis();
    const { stream, worker } = await trimWhileRunning(redis, "exit 3", ["--claim-idle", "60s"]);
    await until("it is told", () => /dead-lettered after|retry in/.test(worker.stderr));
    expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
  });

  test("puts its output out when it succeeds, once", async () => {
    const redis = rawRedis();
    const out = uniqueKey("out");
    const { stream, worker } = await trimWhileRunning(redis, "echo result", ["--emit", out, "-v"]);
    await until("it is done", () => /done in|was dropped/.test(worker.stderr));
    expect((await redis.xrange(out, "-", "+")).map(([, fields]) => fields)).toEqual([["payload", "result"]]);
    await until("nothing is pending", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stderr).not.toContain("was dropped");
  });
});
