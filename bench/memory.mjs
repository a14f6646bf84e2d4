// P8: the most memory that one process holds while far more than that passes through it. Linux tells.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { run } from "./lib/measure.mjs";

const MOST_MB = 150;
const PRODUCED_BYTES = 2 * 1_024 ** 3;
const DUMPED = 5_000_000;
const LISTED = 1_000_000;
const REPLAYED = 1_000_000;
const POLL_MS = 20;

export async function bench(tools) {
  if (process.platform !== "linux") {
    console.error("P8 left out: it reads /proc");
    return [];
  }
  return [
    await peak(tools, "producing 2 GB from a pipe", produce),
    await peak(tools, `dumping ${DUMPED / 1e6}M entries`, dump),
    await peak(tools, `listing ${LISTED / 1e6}M pending entries`, list),
    await peak(tools, `replaying ${REPLAYED / 1e6}M dead letters`, replay),
  ];
}

async function peak(tools, name, measure) {
  const mb = await measure(tools);
  await redis(tools, ["FLUSHDB"]);
  return {
    id: "P8",
    name: `peak memory ${name}, against ${MOST_MB} MB`,
    goal: 1,
    atMost: true,
    unit: "MB",
    ratios: [mb / MOST_MB],
    ours: [mb],
    peer: [MOST_MB],
  };
}

function produce(tools) {
  const line = `${JSON.stringify({ orderId: "1000000", customer: "c-7919", note: "x".repeat(950) })}\n`;
  const chunk = Buffer.from(line.repeat(1_000));
  const source = async (stdin) => {
    for (let sent = 0; sent < PRODUCED_BYTES; sent += chunk.length) {
      if (!stdin.write(chunk)) await once(stdin, "drain");
    }
  };
  return peakOf(tools, ["produce", "bench:memory", "--maxlen", "1000"], source);
}

async function dump(tools) {
  await fill(tools, "bench:memory", DUMPED);
  return peakOf(tools, ["consume", "bench:memory"]);
}

async function list(tools) {
  await fill(tools, "bench:memory", LISTED);
  await redis(tools, ["XGROUP", "CREATE", "bench:memory", "g", "0"]);
  for (let n = 0; n < LISTED; n += 100_000) {
    const read = "redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 100000, 'STREAMS', KEYS[1], '>')";
    await redis(tools, ["EVAL", read, "1", "bench:memory"]);
  }
  return peakOf(tools, ["pending", "bench:memory", "-g", "g", "--list", "--limit", String(LISTED)]);
}

async function replay(tools) {
  const facts = ["stream", "bench:memory", "id", "1-1", "group", "g", "consumer", "c", "deliveries", "5"];
  const rest = ["reason", "exit 1", "exit", "1", "stderr", "", "failed-at", "2026-11-03T10:00:00.123Z"];
  const names = [...facts, ...rest, "replays", "0"];
  const values = names.map((word, index) => (index % 2 === 0 ? `'dlq.${word}'` : `'${word}'`)).join(",");
  await fill(tools, "bench:memory:dlq", REPLAYED, `, ${values}`);
  return peakOf(tools, ["dlq", "replay", "bench:memory", "--all", "-q"]);
}

async function fill(tools, key, entries, more = "") {
  const add = `for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'orderId', i, 'amount', '12.50'${more}) end`;
  for (let n = 0; n < entries; n += 50_000) await redis(tools, ["EVAL", add, "1", key, "50000"]);
}

/** Runs a command to its end; the most memory it ever had, in MB. */
async function peakOf(tools, args, source) {
  const [node, bin] = tools.streamctl;
  const child = spawn(node, [bin, ...args, "-u", tools.redisUrl], {
    stdio: ["pipe", "ignore", "ignore"],
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

async function redis(tools, command) {
  const { stdout } = await run(tools.redisCli, ["-u", tools.redisUrl, ...command]);
  if (/^(ERR|NOGROUP|WRONGTYPE)/.test(stdout)) throw new Error(`${command[0]}: ${stdout}`);
  return stdout;
}
