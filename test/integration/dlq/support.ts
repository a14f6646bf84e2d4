import { type DeadLetterFacts, encodeRecord } from "../../../src/engine/dlq/record.ts";
import { textFields } from "../../../src/entry/entry.ts";
import { type StreamKey, groupName } from "../../../src/entry/names.ts";
import { uniqueKey } from "../../support/cli.ts";
import type { rawRedis } from "../../support/redis.ts";
import { entryId } from "../../support/ids.ts";

export type Raw = ReturnType<typeof rawRedis>;

/** A dead letter to be; what is not said is as a worker would have written it. */
export type LetterSpec = Partial<DeadLetterFacts> & { readonly fields?: readonly Buffer[] };

export function letterRecord(stream: StreamKey, index: number, spec: LetterSpec, failedAt: Date): Buffer[] {
  const { fields, ...facts } = spec;
  return encodeRecord(fields ?? textFields([["n", String(index)]]), {
    stream,
    id: entryId(`${index + 1}-0`),
    group: groupName("billing"),
    consumer: "host-1",
    deliveries: 5,
    reason: "exit 1",
    stderr: Buffer.from("boom\n"),
    failedAt,
    replays: 0,
    ...facts,
  });
}

/** A stream, and in its queue one dead letter per element, an hour apart, the last one just now. */
export async function deadStream(
  redis: Raw,
  letters: readonly LetterSpec[],
): Promise<{ stream: StreamKey; dlq: string }> {
  const stream = uniqueKey();
  const dlq = `${stream}:dlq`;
  await redis.xadd(stream, "1-0", "a", "1");
  const [seconds] = await redis.time();
  for (const [index, spec] of letters.entries()) {
    const ms = (Number(seconds) - (letters.length - 1 - index) * 3_600) * 1_000;
    await redis.xadd(dlq, `${ms}-${index}`, ...letterRecord(stream, index, spec, new Date(ms)));
  }
  return { stream, dlq };
}

/** A queue of `count` letters whose originals have the field n = 0, 1, …; no entry in the stream yet. */
export async function longQueue(
  redis: Raw,
  count: number,
  names: { stream: StreamKey; dlq: string },
): Promise<void> {
  const pipeline = redis.pipeline();
  for (let n = 0; n < count; n++)
    pipeline.xadd(names.dlq, `${n + 1}-1`, ...letterRecord(names.stream, n, {}, new Date(1_700_000_000_000)));
  await pipeline.exec();
}

/** All values of field n in a stream, in its order. */
export async function numbersIn(redis: Pick<Raw, "xrange">, stream: string): Promise<number[]> {
  const entries = await redis.xrange(stream, "-", "+");
  return entries.flatMap(([, fields]) => (fields[0] === "n" ? [Number(fields[1])] : []));
}

/** 0, 1, … count - 1. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

/** The fields of each entry of a stream as bytes, without the one that deadStream put there. */
export async function fieldsIn(redis: Raw, stream: string): Promise<Buffer[][]> {
  const entries = await redis.xrangeBuffer(stream, "1-1", "+");
  return entries.map(([, fields]) => fields);
}
