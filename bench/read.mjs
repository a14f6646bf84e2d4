// P2: reading. As a group's consumer with acks, against the bare rate at which Redis gives entries; and a
// plain dump, against redis-cli's.
import { statSync } from "node:fs";
import { join } from "node:path";
import { compare, run } from "./lib/measure.mjs";

const ENTRIES = 500_000;
const COUNT = 100;
const STREAM = "bench:read";

export async function bench(tools) {
  await fill(tools);
  return [await consumeAndAck(tools), await dump(tools)];
}

/**
 * One reader against one reader. Ours is entries per second of wall time, start-up included; the peer's is
 * what it measures itself, without start-up, parsing, printing or acks.
 */
function consumeAndAck(tools) {
  return compare({
    id: "P2",
    name: "consume -g and ack to NDJSON, against XREADGROUP COUNT 100",
    goal: 0.6,
    unit: "entries/s",
    ours: async () => {
      await rewindGroup(tools);
      const rate = await print(tools, ["consume", STREAM, "-g", "g", "--until-empty"]);
      const pending = await redis(tools, ["XPENDING", STREAM, "g"]);
      if (!pending.startsWith("0\n")) throw new Error(`entries were left pending: ${pending}`);
      return rate;
    },
    peer: async () => {
      await rewindGroup(tools);
      const { hostname, port } = new URL(tools.redisUrl);
      const read = ["XREADGROUP", "GROUP", "g", "peer", "COUNT", String(COUNT), "STREAMS", STREAM, ">"];
      const times = ["-h", hostname, "-p", port, "-c", "1", "-n", String(ENTRIES / COUNT), "--csv"];
      const { stdout } = await run(tools.redisBenchmark, [...times, ...read]);
      const [, requests] = /",\s*"([\d.]+)"/.exec(stdout.trim().split("\n").at(-1)) ?? [];
      return Number(requests) * COUNT;
    },
  });
}

function dump(tools) {
  return compare({
    id: "P2",
    name: "dump a stream, against redis-cli --json XRANGE",
    goal: 2,
    unit: "entries/s",
    ours: () => print(tools, ["consume", STREAM]),
    peer: async () => {
      const command = [tools.redisCli, "-u", tools.redisUrl, "--json", "XRANGE", STREAM, "-", "+"];
      return ENTRIES / ((await toFile(tools, command)) / 1_000);
    },
  });
}

async function print(tools, args) {
  const ms = await toFile(tools, [...tools.streamctl, ...args, "-q", "-u", tools.redisUrl]);
  return ENTRIES / (ms / 1_000);
}

/** Runs a program with its output in a file, as both sides of a comparison do. */
async function toFile(tools, command) {
  const file = join(tools.tmp, "read.out");
  const { ms } = await run("sh", ["-c", 'out=$1; shift; exec "$@" > "$out"', "sh", file, ...command]);
  if (statSync(file).size < ENTRIES * 50) throw new Error(`${command.join(" ")} printed too little`);
  return ms;
}

async function rewindGroup(tools) {
  await redis(tools, ["XGROUP", "DESTROY", STREAM, "g"]);
  await redis(tools, ["XGROUP", "CREATE", STREAM, "g", "0"]);
}

async function fill(tools) {
  const script =
    "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'orderId', 100000 + i, 'customer', " +
    "'customer-' .. i % 977, 'amount', '12.50', 'note', 'left at the door, number ' .. i) end";
  await redis(tools, ["DEL", STREAM]);
  for (let added = 0; added < ENTRIES; added += 50_000)
    await redis(tools, ["EVAL", script, "1", STREAM, "50000"]);
}

async function redis(tools, command) {
  const { stdout } = await run(tools.redisCli, ["-u", tools.redisUrl, ...command]);
  if (/^(ERR|NOGROUP|WRONGTYPE)/.test(stdout)) throw new Error(`${command[0]}: ${stdout}`);
  return stdout;
}
