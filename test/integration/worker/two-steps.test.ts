import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { moveToDeadLetters } from "../../../src/engine/worker/dead-letter.ts";
import { InFlight, type InFlightEntry } from "../../../src/engine/worker/in-flight.ts";
import { settleSuccess } from "../../../src/engine/worker/emit.ts";
import type { WorkerSettings } from "../../../src/engine/worker/types.ts";
import { type StreamKey, groupName, streamKey } from "../../../src/entry/names.ts";
import { now } from "../../../src/lib/instant.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { isDone, type Owned } from "../../../src/redis/ops/owned.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis } from "../../support/redis.ts";
import { entryId } from "../../support/ids.ts";

/** What a move in several steps looks at. */
function settingsOf(consumer: string, emitTo?: StreamKey): WorkerSettings {
  const settings: Partial<WorkerSettings> = {
    group: groupName("g"),
    consumer,
    deleteAcked: false,
    emitTo,
    dlqKey: (stream) => streamKey(`${stream}:dlq`),
  };
  return settings as WorkerSettings;
}

/** An entry that consumer "slow" has read. */
async function delivered(redis: Redis, stream: StreamKey, fields: string[]): Promise<InFlightEntry> {
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  const id = (await redis.xadd(stream, "*", ...fields)) as string;
  await redis.xreadgroup("GROUP", "g", "slow", "COUNT", 1, "STREAMS", stream, ">");
  const entry = { id: entryId(id), fields: fields.map((field) => Buffer.from(field)) };
  const inFlight = new InFlight({ slots: 1, batch: { size: 1, waitMs: 0 } });
  return inFlight.hold({ stream, entry, deliveries: 1 }, now(), performance.now());
}

/**
 * The worker stands still before its step number `before`; meanwhile another takes the entry over and does the
 * whole move. Counts the calls of `run` (scripts) and `pipeline` (what is too large for them).
 */
function overtake(connection: Connection, before: number, whole: () => Promise<void>): void {
  let steps = 0;
  for (const name of ["run", "pipeline"] as const) {
    const original = connection[name].bind(connection) as (...args: unknown[]) => Promise<unknown>;
    vi.spyOn(connection, name).mockImplementation((async (...args: unknown[]) => {
      if (++steps === before) await whole();
      return original(...args);
    }) as never);
  }
}

describe("a move in steps whose worker stands still while another does it all, then goes on:", () => {
  test.each([1, 2, 3, 4])("a dead letter, before step %i, is not doubled", async (step) => {
    const redis = rawRedis();
    const slow = await openConnection();
    const quick = await openConnection();
    // More than a script can pass: the way that entries take across slots, too.
    const fields = Array.from({ length: 10_000 }, (_, n) => String(n));
    const delivery = await delivered(redis, uniqueKey(), fields);
    const { stream } = delivery;
    const verdict = { kind: "dead", reason: "exit 65", stderr: Buffer.alloc(0) } as const;
    const move = (connection: Connection, consumer: string): Promise<Owned> =>
      moveToDeadLetters(streamsOf(connection), settingsOf(consumer), { ...delivery }, verdict, new Date());
    overtake(slow, step, async () => {
      await redis.xclaim(stream, "g", "quick", 0, delivery.entry.id, "JUSTID");
      expect(await move(quick, "quick")).toBe("done");
    });
    expect(isDone(await move(slow, "slow"))).toBe(false);
    expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
  });

  test("output across slots, before every step, is not doubled", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const quick = await openConnection(cluster.url, { mode: "cluster" });
    await cluster.on(cluster.ownerOf(keySlot("{a}in")), async (redis) => {
      for (const step of [1, 2, 3, 4]) {
        const slow = await openConnection(cluster.url, { mode: "cluster" });
        const delivery = await delivered(redis, streamKey(`{a}in${step}`), ["n", "1"]);
        const succeed = (connection: Connection, consumer: string): Promise<Owned> =>
          settleSuccess(
            streamsOf(connection),
            settingsOf(consumer, streamKey(`{b}out${step}`)),
            { ...delivery },
            [[Buffer.from("n"), Buffer.from("1")]],
          );
        overtake(slow, step, async () => {
          await redis.xclaim(delivery.stream, "g", "quick", 0, delivery.entry.id, "JUSTID");
          expect(await succeed(quick, "quick")).toBe("done");
        });
        expect(isDone(await succeed(slow, "slow"))).toBe(false);
      }
    });
    await cluster.on(cluster.ownerOf(keySlot("{b}out")), async (redis) => {
      for (const step of [1, 2, 3, 4]) expect(await redis.xlen(`{b}out${step}`), `step ${step}`).toBe(1);
    });
  });
});

test("a move that was begun by a worker that died is done by the next one, and leaves no marker", async () => {
  const redis = rawRedis();
  const connection = await openConnection();
  const fields = Array.from({ length: 10_000 }, (_, n) => String(n));
  const delivery = await delivered(redis, uniqueKey(), fields);
  const { stream } = delivery;
  const verdict = { kind: "dead", reason: "exit 65", stderr: Buffer.alloc(0) } as const;
  const { id } = delivery.entry;
  await redis.set(`${stream}:dlq:moved:${stream}:g:${id}`, "begun by another");
  expect(
    await moveToDeadLetters(streamsOf(connection), settingsOf("slow"), delivery, verdict, new Date()),
  ).toBe("done");
  expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
  expect(await redis.keys(`*moved:${stream}*`)).toEqual([]);
});

test("a marker that a crash left is no reason to lose the dead letter of an entry that was replayed since", async () => {
  const redis = rawRedis();
  const connection = await openConnection();
  const fields = Array.from({ length: 10_000 }, (_, n) => String(n));
  const delivery = await delivered(redis, uniqueKey(), fields);
  const { stream } = delivery;
  const verdict = { kind: "dead", reason: "exit 65", stderr: Buffer.alloc(0) } as const;
  const { id } = delivery.entry;
  const left = `${stream}:dlq:moved:${stream}:g:${id}`;
  await redis.set(left, "1");
  await redis.zadd(`${stream}:replays`, -(20_000 * 2 ** 37 + 1), `${id} g`);
  expect(
    await moveToDeadLetters(streamsOf(connection), settingsOf("slow"), delivery, verdict, new Date()),
  ).toBe("done");
  expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
  expect(await redis.keys(`*moved:${stream}*`)).toEqual([left]);
});
