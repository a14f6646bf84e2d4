// P3: one shell command for each entry, against xargs (which has no queue behind it), the loop of redis-cli calls
// that people write, and RabbitMQ's amqp-consume. P4: the ways that start no process for each entry, against xargs.
import { compare, run } from "./lib/measure.mjs";
import { startRabbit } from "./lib/rabbit.mjs";
import { fill, mustBeDone, redis } from "./lib/redis.mjs";

const HANDLER = "cat >/dev/null";
const ENTRIES = 5_000;
const LOOP_ENTRIES = 100;
const MANY_ENTRIES = 100_000;

/** Reads a line, answers a line: the least that a persistent handler can do. */
const PERSISTENT = ["--persistent", "--", "perl", "-ne", "BEGIN { $| = 1 } print qq(ok\n)"];
const BATCH = ["--batch", "100", "--exec", HANDLER];

export async function bench(tools) {
  if (tools.only.has("P3")) {
    for (const places of [1, 2, 8]) await againstXargs(tools, places);
    await againstLoop(tools);
    await againstRabbit(tools);
  }
  if (tools.only.has("P4")) {
    await manyAgainstXargs(tools, "exec --persistent -j 2, against xargs -P2", 40, PERSISTENT);
    await manyAgainstXargs(tools, "exec --batch 100 -j 2, against xargs -P2", 35, BATCH);
  }
}

function againstXargs(tools, places) {
  return compare(tools, {
    id: "P3",
    name: `exec -j ${places}, against xargs -P${places}`,
    now: 1,
    further: 1.2,
    unit: "entries/s",
    ours: (streamctl) => shells(tools, streamctl, places),
    peer: () => xargs(places),
  });
}

function againstLoop(tools) {
  return compare(tools, {
    id: "P3",
    name: "exec -j 2, against a bash loop of redis-cli",
    now: 15,
    unit: "entries/s",
    ours: (streamctl) => shells(tools, streamctl, 2),
    peer: () => loop(tools),
  });
}

/** Gives each of ten messages ahead to a process of its own, one at a time. */
async function againstRabbit(tools) {
  const rabbit = await startRabbit(tools);
  if (rabbit === undefined) return;
  try {
    await compare(tools, {
      id: "P3",
      name: "exec -j 1, against amqp-consume -p 10",
      now: 1,
      further: 1.2,
      unit: "entries/s",
      ours: (streamctl) => shells(tools, streamctl, 1),
      peer: async () => {
        await rabbit.fill(ENTRIES);
        return ENTRIES / ((await rabbit.consume(ENTRIES, 10, ["sh", "-c", HANDLER])) / 1_000);
      },
    });
  } finally {
    await rabbit.stop();
  }
}

function manyAgainstXargs(tools, name, now, handler) {
  return compare(tools, {
    id: "P4",
    name,
    now,
    further: 100,
    unit: "entries/s",
    ours: (streamctl) => drain(tools, streamctl, MANY_ENTRIES, ["-j", "2", ...handler]),
    peer: () => xargs(2),
  });
}

function shells(tools, streamctl, places) {
  return drain(tools, streamctl, ENTRIES, ["-j", String(places), "--exec", HANDLER]);
}

async function xargs(places) {
  const numbers = Array.from({ length: ENTRIES }, (_, index) => index).join("\n");
  const { ms } = await run("xargs", [`-P${places}`, "-n1", "sh", "-c", HANDLER, "sh"], { input: numbers });
  return ENTRIES / (ms / 1_000);
}

let streams = 0;

/** Makes a stream with a group that has read nothing of it yet. */
async function makeWork(tools, entries) {
  const stream = `bench:exec:${streams++}`;
  await fill(tools, stream, entries, "'orderId', i, 'amount', '12.50'");
  await redis(tools, "XGROUP", "CREATE", stream, "g", "0");
  return stream;
}

/** Entries per second of wall time, start-up included. */
async function drain(tools, [node, ...bin], entries, handler) {
  const stream = await makeWork(tools, entries);
  const options = ["-u", tools.redisUrl, "-g", "g", "--until-empty", "-q"];
  const { ms } = await run(node, [...bin, "consume", stream, ...options, ...handler]);
  await mustBeDone(tools, stream);
  await redis(tools, "DEL", stream);
  return entries / (ms / 1_000);
}

async function loop(tools) {
  const stream = await makeWork(tools, LOOP_ENTRIES);
  const script = `
    cli() { "$REDIS_CLI" -u "$REDIS_URL" "$@"; }
    while entry=$(cli XREADGROUP GROUP g c COUNT 1 STREAMS "$STREAM" '>') && [ -n "$entry" ]; do
      id=$(printf '%s\\n' "$entry" | sed -n 2p)
      printf '%s\\n' "$entry" | sh -c '${HANDLER}' && cli XACK "$STREAM" g "$id" >/dev/null
    done`;
  const env = { REDIS_CLI: tools.redisCli, REDIS_URL: tools.redisUrl, STREAM: stream };
  const { ms } = await run("bash", ["-c", script], { env });
  await mustBeDone(tools, stream);
  await redis(tools, "DEL", stream);
  return LOOP_ENTRIES / (ms / 1_000);
}
