import type { Redis } from "ioredis";
import type { StreamKey } from "../../src/entry/names.ts";
import { uniqueKey } from "./cli.ts";

/** A stream with entries `1-0` to `n-0`, all of them pending in group g: odd ones for a, even ones for b. */
export async function pendingStream(redis: Redis, count: number): Promise<StreamKey> {
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  const pipeline = redis.pipeline();
  for (let n = 1; n <= count; n++) {
    pipeline.xadd(key, `${n}-0`, "n", String(n));
    pipeline.xreadgroup("GROUP", "g", n % 2 === 1 ? "a" : "b", "COUNT", 1, "STREAMS", key, ">");
  }
  await pipeline.exec();
  return key;
}

/** Sets the idle time and the delivery count of a pending entry, as time would. */
export async function age(
  redis: Redis,
  key: string,
  id: string,
  facts: { readonly owner: string; readonly idleMs?: number; readonly deliveries?: number },
): Promise<void> {
  const { owner, idleMs = 0, deliveries = 1 } = facts;
  await redis.xclaim(key, "g", owner, 0, id, "IDLE", idleMs, "RETRYCOUNT", deliveries, "JUSTID");
}

/** The pending list of group g: `[id, owner, deliveries]`. */
export async function pendingRows(redis: Redis, key: string): Promise<[string, string, number][]> {
  const rows = (await redis.xpending(key, "g", "-", "+", 100_000)) as [string, string, number, number][];
  return rows.map(([id, owner, , deliveries]) => [id, owner, deliveries]);
}
