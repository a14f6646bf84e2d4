// P8: the most memory that one process holds while far more than that passes through it. Linux tells.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { compare, measuredEnvironment } from "./lib/measure.mjs";
import { fill, fillPending, redis } from "./lib/redis.mjs";

const PRODUCED_BYTES = 2 * 1_024 ** 3;
const DUMPED = 5_000_000;
const LISTED = 1_000_000;
const REPLAYED = 1_000_000;
const POLL_MS = 20;
const STREAM = "bench:memory";
const SMALL = "'orderId', i, 'amount', '12.50'";
const LETTER =
  "'dlq.stream', 'bench:memory', 'dlq.id', '1-1', 'dlq.group', 'g', 'dlq.consumer', 'c', 'dlq.deliveries', 5, " +
  "'dlq.reason', 'exit 1', 'dlq.exit', 1, 'dlq.stderr', '', 'dlq.failed-at', '2026-11-03T10:00:00.123Z', " +
  "'dlq.replays', 0";

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
  return peakOf(tools, streamctl, ["produce", STREAM, "--maxlen", "1000"], source);
}

function dump(tools, streamctl) {
  return peakOf(tools, streamctl, ["consume", STREAM]);
}

function list(tools, streamctl) {
  return peakOf(tools, streamctl, ["pending", STREAM, "-g", "g", "--list", "--limit", String(LISTED)]);
}

async function replay(tools, streamctl) {
  await redis(tools, "FLUSHDB");
  await fill(tools, `${STREAM}:dlq`, REPLAYED, `${SMALL}, ${LETTER}`);
  return peakOf(tools, streamctl, ["dlq", "replay", STREAM, "--all", "-q"]);
}

/** Runs a command to its end; the most memory it ever had, in MB. */
async function peakOf(tools, [node, ...bin], args, source) {
  const child = spawn(node, [...bin, ...args, "-u", tools.redisUrl], {
    stdio: ["pipe", "ignore", "inherit"],
    env: measuredEnvironment(),
  });
  const closed = once(child, "close");
  let mb = 0;
  const timer = setInterval(() => {
    mb = Math.max(mb, highWater(child.pid));
  }, POLL_MS);
  await source?.(child.stdin);
  child.stdin.end();
  const [code] = await closed;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}`);
  return mb;
}

/** 0 for a process that has ended. */
function highWater(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}
