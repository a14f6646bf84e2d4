import { Redis, type RedisOptions } from "ioredis";
import { onTestFinished } from "vitest";
import { serverUrl } from "./server-url.ts";

/** A plain client to look at the server behind streamctl's back; closed when the test ends. */
export function rawRedis(url: string = serverUrl()): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** Polls until `probe` gives a truthy value; fails with `what` after `timeoutMs`. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 45_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `work` with a plain client of that server, and closes it. */
export async function withRedis<T>(
  url: string,
  work: (redis: Redis) => Promise<T>,
  options: Pick<RedisOptions, "tls"> = {},
): Promise<T> {
  const redis = new Redis(url, { ...options, maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
