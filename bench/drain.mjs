// P5: 10,000 events, three consumers, every one acked, against the consumer of the usual tutorial. The time
// begins when the events are there and all consumers wait, and ends with the last ack.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { compare, measuredEnvironment, openNowhere } from "./lib/measure.mjs";

const EVENTS = 10_000;
const CONSUMERS = 3;
const STREAM = "bench:drain";
const GROUP = "g";
const TUTORIAL = fileURLToPath(new URL("lib/tutorial-consumer.mjs", import.meta.url));

export async function bench(tools) {
  const redis = new Redis(tools.redisUrl);
  const options = ["-g", GROUP, "-q", "-u", tools.redisUrl];
  const consume = (streamctl) => (name) => [...streamctl, "consume", STREAM, "--consumer", name, ...options];
  const tutorial = (name) => [process.execPath, TUTORIAL, tools.redisUrl, STREAM, GROUP, name];
  try {
    await compare(tools, {
      id: "P5",
      name: `${EVENTS} events, ${CONSUMERS} consume processes, against the tutorial's consumer`,
      now: 8,
      further: 20,
      unit: "entries/s",
      ours: (streamctl) => drain(redis, consume(streamctl)),
      peer: () => drain(redis, tutorial),
    });
  } finally {
    await redis.del(STREAM);
    redis.disconnect();
  }
}

/** Entries per second. */
async function drain(redis, command) {
  await redis.del(STREAM);
  await redis.xgroup("CREATE", STREAM, GROUP, "0", "MKSTREAM");
  const nowhere = openNowhere();
  const children = Array.from({ length: CONSUMERS }, (_, n) => {
    const [program, ...args] = command(`c${n}`);
    return spawn(program, args, { stdio: ["ignore", nowhere, "inherit"], env: measuredEnvironment() });
  });
  closeSync(nowhere);
  const closed = children.map((child) => once(child, "close"));
  try {
    const mustRun = () => {
      if (children.some(({ exitCode }) => exitCode !== null)) throw new Error("a consumer has ended");
    };
    await until(async () => (await blocked(redis)) >= CONSUMERS, mustRun);
    const add = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'orderId', i, 'amount', '12.50') end";
    const start = performance.now();
    await redis.eval(add, 1, STREAM, EVENTS);
    await until(async () => {
      const [info] = await redis.xinfo("GROUPS", STREAM);
      const value = (name) => info[info.indexOf(name) + 1];
      return value("entries-read") === EVENTS && value("pending") === 0;
    }, mustRun);
    return EVENTS / ((performance.now() - start) / 1_000);
  } finally {
    for (const child of children) child.kill();
    await Promise.all(closed);
  }
}

async function blocked(redis) {
  return Number(/blocked_clients:(\d+)/.exec(await redis.info("clients"))?.[1]);
}

async function until(done, mustRun) {
  while (!(await done())) {
    mustRun();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
