// P2: reading. As a group's consumer with acks, against the bare rate at which Redis gives entries; and a
// plain dump, against redis-cli's.
import { statSync } from "node:fs";
import { join } from "node:path";
import { compare, run, timeFiles } from "./lib/measure.mjs";
import { fill, groupFacts, mustBeDone, redis } from "./lib/redis.mjs";

const ENTRIES = 500_000;
const COUNT = 100;
const STREAM = "bench:read";
const GROUP = "g";

export async function bench(tools) {
  await redis(tools, "DEL", STREAM);
  await fill(tools, STREAM, ENTRIES);
  await consumeAndAck(tools);
  await dump(tools);
  await redis(tools, "DEL", STREAM);
}

/**
 * One reader against one reader. Ours is entries per second of wall time, start-up included; the peer's is
 * what it measures itself, without start-up, parsing, printing or acks.
 */
async function consumeAndAck(tools) {
  await compare(tools, {
    id: "P2",
    name: "consume -g and ack to NDJSON, against XREADGROUP COUNT 100",
    now: 0.9,
    further: 1,
    unit: "entries/s",
    ours: async (streamctl) => {
      await rewindGroup(tools);
      const rate = await print(tools, [...streamctl, "consume", STREAM, "-g", GROUP, "--until-empty"]);
      await mustBeDone(tools, STREAM);
      return rate;
    },
    peer: async () => {
      await rewindGroup(tools);
      const { hostname, port } = new URL(tools.redisUrl);
      const read = ["XREADGROUP", "GROUP", GROUP, "peer", "COUNT", String(COUNT), "STREAMS", STREAM, ">"];
      const times = ["-h", hostname, "-p", port, "-c", "1", "-n", String(ENTRIES / COUNT), "--csv"];
      const { stdout } = await run(tools.redisBenchmark, [...times, ...read]);
      const { lag } = await groupFacts(tools, STREAM);
      if (lag !== 0) throw new Error(`redis-benchmark left ${lag} entries unread`);
      const [, requests] = /",\s*"([\d.]+)"/.exec(stdout.trim().split("\n").at(-1)) ?? [];
      return Number(requests) * COUNT;
    },
  });
}

async function dump(tools) {
  await compare(tools, {
    id: "P2",
    name: "dump a stream, against redis-cli --json XRANGE",
    now: 3,
    further: 4,
    unit: "entries/s",
    ours: (streamctl) => print(tools, [...streamctl, "consume", STREAM]),
    peer: async () => {
      const command = [tools.redisCli, "-u", tools.redisUrl, "--json", "XRANGE", STREAM, "-", "+"];
      return ENTRIES / ((await toFile(tools, command)) / 1_000);
    },
  });
}

async function print(tools, command) {
  return ENTRIES / ((await toFile(tools, [...command, "-q", "-u", tools.redisUrl])) / 1_000);
}

/** Both sides of a comparison write to a file. */
async function toFile(tools, command) {
  const output = join(tools.tmp, "read.out");
  const ms = await timeFiles(command, { output });
  if (statSync(output).size < ENTRIES * 50) throw new Error(`${command.join(" ")} printed too little`);
  return ms;
}

async function rewindGroup(tools) {
  await redis(tools, "XGROUP", "DESTROY", STREAM, GROUP);
  await redis(tools, "XGROUP", "CREATE", STREAM, GROUP, "0");
}
