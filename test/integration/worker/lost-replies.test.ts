import { describe, expect, test } from "vitest";
import { streamKey } from "../../../src/entry/names.ts";
import { Holders } from "../../../src/redis/ops/holders.ts";
import type { Job } from "../../../src/engine/handlers/handler.ts";
import type { Outcome } from "../../../src/engine/handlers/outcome.ts";
import type { WorkerSettings } from "../../../src/engine/worker/types.ts";
import { Worker } from "../../../src/engine/worker/worker.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis } from "../../support/redis.ts";
import { SILENT, settingsFor } from "../../support/roles.ts";
import { losing } from "../../support/streams.ts";
import { deadLetters, fill, pendingIn } from "../../support/worker.ts";

const NO_STDERR = Buffer.alloc(0);
type Lost = Parameters<typeof losing>[1];

/**
 * Works until nothing is left, without processes: `handle` gives each run's exit code and what it printed. The answer of
 * one verb is lost, once. Gives the jobs that were run.
 */
async function workLosing(
  verb: Lost,
  settings: WorkerSettings,
  handle: (job: Job, run: number) => { readonly code: number; readonly stdout?: string },
): Promise<Job[]> {
  const connection = await openConnection();
  const streams = losing(streamsOf(connection), verb);
  const holders = new Holders(streams, { group: settings.group, required: settings.orderBy !== undefined });
  const runs: Job[] = [];
  const worker = new Worker({
    connection,
    streams,
    reader: await connection.reader(),
    settings: {
      ...settings,
      holders: (key) => holders.of(key),
      beginHolding: (key) => holders.begin(key),
    },
    handler: {
      batch: { size: 1, waitMs: 0 },
      slots: 1,
      run: async (jobs) =>
        jobs.map((job): Outcome => {
          const { code, stdout } = handle(job, runs.push(job));
          return { kind: "exit", code, stderr: NO_STDERR, stdout: Buffer.from(stdout ?? "") };
        }),
      killAll: async () => {},
      close: async () => {},
    },
    observer: SILENT,
    stop: new AbortController().signal,
    kill: new AbortController().signal,
  });
  await worker.run();
  return runs;
}

describe("a reply that is lost after Redis has carried the step out:", () => {
  test("an ack counts once, and the entry is not run again", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const runs = await workLosing("ackOwned", settingsFor(stream, {}), () => ({ code: 0 }));
    expect(runs.map(({ deliveries }) => deliveries)).toEqual([1, 1, 1]);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a retry comes due once, and its delivery counts once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const runs = await workLosing("requeueOwned", settingsFor(stream, {}), (_, run) => ({
      code: run === 1 ? 1 : 0,
    }));
    expect(runs.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
  });

  test("a dead letter is written once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await workLosing("deadLetter", settingsFor(stream, {}), () => ({ code: 65 }));
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ n: "0", "dlq.deliveries": "1" }]);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("output is written once, together with its ack", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const settings = settingsFor(stream, { emitTo: streamKey(`${stream}:out`) });
    const runs = await workLosing("succeed", settings, ({ entry }) => ({ code: 0, stdout: `${entry.id}\n` }));
    const written = await redis.xrange(`${stream}:out`, "-", "+");
    expect(written.map(([, fields]) => fields[1])).toEqual(runs.map(({ entry }) => entry.id));
    expect(runs).toHaveLength(2);
  });

  test("an entry that was taken over runs once, and the take counts once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "dead", "STREAMS", stream, ">");
    await redis.xclaim(stream, "g", "dead", 0, id, "IDLE", 120_000, "RETRYCOUNT", 1, "JUSTID");
    const runs = await workLosing("takeEntries", settingsFor(stream, {}), () => ({ code: 0 }));
    expect(runs.map(({ deliveries }) => deliveries)).toEqual([2]);
  });

  test("in order by key, the next entry of a key runs once, after the one before it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const n of [1, 2, 3]) await redis.xadd(stream, "*", "key", "a", "n", String(n));
    const settings = settingsFor(stream, { orderBy: "key", claimIdleMs: 300 });
    const runs = await workLosing("nextInOrder", settings, () => ({ code: 0 }));
    expect(runs.map(({ entry }) => String(entry.fields[3]))).toEqual(["1", "2", "3"]);
  });

  test("a group is made once, where that was asked for", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const runs = await workLosing("ensureGroup", settingsFor(stream, {}), () => ({ code: 0 }));
    expect(runs).toHaveLength(2);
  });
});
