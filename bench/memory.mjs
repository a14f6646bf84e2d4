// P8: the most memory that one process holds while far more than that passes through it. Linux tells.
import { once } from "node:events";
import { compare } from "./lib/measure.mjs";
import { peakOf } from "./lib/peak.mjs";
import { fill, fillPending, letterFields, redis } from "./lib/redis.mjs";

const PRODUCED_BYTES = 2 * 1_024 ** 3;
const DUMPED = 5_000_000;
const LISTED = 1_000_000;
const REPLAYED = 1_000_000;
const STREAM = "bench:memory";
const SMALL = "'orderId', i, 'amount', '12.50'";

export async function bench(tools) {
  if (process.platform !== "linux") {
    console.error("P8 left out: it reads /proc");
    return;
  }
  await peak(tools, "producing 2 GB from a pipe", produce);
  await peak(tools, `dumping ${DUMPED / 1e6}M entries`, dump, (key) => fill(tools, key, DUMPED, SMALL));
  await peak(tools, `listing ${LISTED / 1e6}M pending entries`, list, async (key) => {
    await fill(tools, key, LISTED, SMALL);
    await fillPending(tools, key, "g", "c");
  });
  await peak(tools, `replaying ${REPLAYED / 1e6}M dead letters`, replay);
}

/** Once each: the peak of one run hardly differs from that of another. */
async function peak(tools, name, measure, make = async () => {}) {
  await make(STREAM);
  await compare(tools, {
    id: "P8",
    name: `peak memory ${name}`,
    now: 110,
    further: 100,
    atMost: true,
    unit: "MB",
    pairs: 1,
    ours: (streamctl) => measure(tools, streamctl),
  });
  await redis(tools, "FLUSHDB");
}

function produce(tools, streamctl) {
  const line = `${JSON.stringify({ orderId: "1000000", customer: "c-7919", note: "x".repeat(950) })}\n`;
  const chunk = Buffer.from(line.repeat(1_000));
  const source = async (stdin) => {
    for (let sent = 0; sent < PRODUCED_BYTES; sent += chunk.length) {
      if (!stdin.write(chunk)) await once(stdin, "drain");
    }
  };
  return mbOf(tools, streamctl, ["produce", STREAM, "--maxlen", "1000"], source);
}

function dump(tools, streamctl) {
  return mbOf(tools, streamctl, ["consume", STREAM]);
}

function list(tools, streamctl) {
  return mbOf(tools, streamctl, ["pending", STREAM, "-g", "g", "--list", "--limit", String(LISTED)]);
}

async function replay(tools, streamctl) {
  await redis(tools, "FLUSHDB");
  await fill(tools, `${STREAM}:dlq`, REPLAYED, `${SMALL}, ${letterFields(STREAM)}`);
  return mbOf(tools, streamctl, ["dlq", "replay", STREAM, "--all", "-q"]);
}

async function mbOf(...args) {
  return (await peakOf(...args)).mb;
}
