import type { Redis } from "ioredis";
import { expect, onTestFinished, test, vi } from "vitest";
import { moveToDeadLetters } from "../../../src/engine/worker/dead-letters.ts";
import { settleSuccess } from "../../../src/engine/worker/success.ts";
import type { Delivery, WorkerSettings } from "../../../src/engine/worker/types.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { Owned } from "../../../src/redis/scripts/owned.ts";
import { uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis } from "../../support/redis.ts";

/** What a move in several steps looks at. */
function settingsOf(consumer: string, emitTo?: string): WorkerSettings {
  const settings: Partial<WorkerSettings> = {
    group: "g",
    consumer,
    deleteAcked: false,
    emitTo,
    dlqKey: (stream) => `${stream}:dlq`,
  };
  return settings as WorkerSettings;
}

/** An entry that consumer "slow" has read. */
async function delivered(redis: Redis, stream: string, fields: string[]): Promise<Delivery> {
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  const id = (await redis.xadd(stream, "*", ...fields)) as string;
  await redis.xreadgroup("GROUP", "g", "slow", "COUNT", 1, "STREAMS", stream, ">");
  return {
    stream,
    entry: { id, fields: fields.map((field) => Buffer.from(field)) },
    deliveries: 1,
    lost: false,
  };
}

/** Another worker takes the entry over after the first step, which found it still ours, and before the next. */
function overtake(
  connection: Connection,
  step: "lane" | "run",
  redis: Redis,
  { stream, entry }: Delivery,
): void {
  const original = connection[step].bind(connection) as (...args: unknown[]) => Promise<unknown>;
  vi.spyOn(connection, step).mockImplementationOnce((async (...args: unknown[]) => {
    await redis.xclaim(stream, "g", "quick", 0, entry.id, "JUSTID");
    return original(...args);
  }) as never);
}

test("a dead letter in two steps whose entry is taken over in between is not doubled by the new owner", async () => {
  const redis = rawRedis();
  const connection = await openConnection();
  // More than a script can pass: the way that entries take across slots, too.
  const fields = Array.from({ length: 10_000 }, (_, n) => String(n));
  const delivery = await delivered(redis, uniqueKey(), fields);
  const { stream } = delivery;
  const verdict = { kind: "dead", reason: "exit 65", stderr: Buffer.alloc(0) } as const;
  const move = (consumer: string): Promise<number> =>
    moveToDeadLetters(connection, settingsOf(consumer), delivery, verdict, new Date());
  overtake(connection, "lane", redis, delivery);
  expect(await move("slow")).toBe(Owned.takenByOther);
  expect(await move("quick")).toBe(Owned.done);
  expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
  expect(await redis.keys(`*moved:${stream}*`)).toEqual([]);
});

test("output across slots whose entry is taken over in between is not doubled by the new owner", async () => {
  const cluster = await TestCluster.start();
  onTestFinished(() => cluster.stop());
  const connection = await openConnection(cluster.url, { mode: "cluster" });
  const stream = "{a}in";
  await cluster.on(cluster.ownerOf(keySlot(stream)), async (redis) => {
    const delivery = await delivered(redis, stream, ["n", "1"]);
    const succeed = (consumer: string): Promise<number> =>
      settleSuccess(connection, settingsOf(consumer, "{b}out"), delivery, [
        [Buffer.from("n"), Buffer.from("1")],
      ]);
    overtake(connection, "run", redis, delivery);
    expect(await succeed("slow")).toBe(Owned.takenByOther);
    expect(await succeed("quick")).toBe(Owned.done);
  });
  await cluster.on(cluster.ownerOf(keySlot("{b}out")), async (redis) => {
    expect(await redis.xlen("{b}out")).toBe(1);
    expect(await redis.keys("*emitted*")).toEqual([]);
  });
});
