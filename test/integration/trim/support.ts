import { expect } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import type { rawRedis } from "../../support/redis.ts";

export type Raw = ReturnType<typeof rawRedis>;

/** Entries 1-1, 2-1, … in a stream of its own. */
export async function numbered(redis: Raw, count: number): Promise<string> {
  const stream = uniqueKey("trimmed");
  const pipeline = redis.pipeline();
  for (let n = 1; n <= count; n++) pipeline.xadd(stream, `${n}-1`, "n", String(n));
  await pipeline.exec();
  return stream;
}

/** The row of a trim that went well, and was quiet. */
export async function row(...argv: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli(["trim", ...argv, "-q", "-o", "ndjson"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return ndjson(stdout)[0] ?? {};
}

/** A group that has been given the first `delivered` entries and has acked all of them but `unacked`. */
export async function group(
  redis: Raw,
  stream: string,
  name: string,
  delivered: number,
  unacked: string[] = [],
) {
  await redis.xgroup("CREATE", stream, name, "0");
  const reply = await redis.xreadgroup("GROUP", name, "c", "COUNT", delivered, "STREAMS", stream, ">");
  const [[, entries]] = reply as [[string, [string, string[]][]]];
  const ids = entries.map(([id]) => id).filter((id) => !unacked.includes(id));
  if (ids.length > 0) await redis.xack(stream, name, ...ids);
}
