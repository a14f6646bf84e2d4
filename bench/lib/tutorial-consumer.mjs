// The consumer that people copy from tutorials: one entry at a time, an ack for each, no work, an ordinary client.
import { Redis } from "ioredis";

const [url, stream, group, consumer] = process.argv.slice(2);
const redis = new Redis(url);
for (;;) {
  const reply = await redis.xreadgroup(
    "GROUP",
    group,
    consumer,
    "COUNT",
    1,
    "BLOCK",
    5_000,
    "STREAMS",
    stream,
    ">",
  );
  for (const [, entries] of reply ?? []) {
    for (const [id] of entries) await redis.xack(stream, group, id);
  }
}
