// P3: one shell command for each entry, against xargs (which has no queue behind it) and against the loop
// of redis-cli calls that people write. P4: the ways that start no process for each entry, against xargs too.
import { compare, run } from "./lib/measure.mjs";

const HANDLER = "cat >/dev/null";
const ENTRIES = 5_000;
const LOOP_ENTRIES = 100;

const MANY_ENTRIES = 100_000;

/** Reads a line, answers a line: the least that a persistent handler can do. */
const PERSISTENT = ["--persistent", "--", "perl", "-ne", "BEGIN { $| = 1 } print qq(ok\n)"];
const BATCH = ["--batch", "100", "--exec", HANDLER];

export async function bench(tools) {
  return [
    await againstXargs(tools, 2),
    // With more places than cores, one place's round trip to Redis is another one's time to run.
    await againstXargs(tools, 8),
    await againstLoop(tools),
    await manyAgainstXargs(tools, "exec --persistent -j 2, against xargs -P2", 30, PERSISTENT),
    await manyAgainstXargs(tools, "exec --batch 100 -j 2, against xargs -P2", 20, BATCH),
  ];
}

function againstXargs(tools, places) {
  return compare({
    id: "P3",
    name: `exec -j ${places}, against xargs -P${places}`,
    goal: 1,
    unit: "entries/s",
    ours: () => drain(tools, ENTRIES, ["-j", String(places), "--exec", HANDLER]),
    peer: () => xargs(places),
  });
}

function manyAgainstXargs(tools, name, goal, handler) {
  return compare({
    id: "P4",
    name,
    goal,
    unit: "entries/s",
    ours: () => drain(tools, MANY_ENTRIES, ["-j", "2", ...handler]),
    peer: () => xargs(2),
  });
}

async function xargs(places) {
  const numbers = Array.from({ length: ENTRIES }, (_, index) => index).join("\n");
  const { ms } = await run("xargs", [`-P${places}`, "-n1", "sh", "-c", HANDLER, "sh"], { input: numbers });
  return ENTRIES / (ms / 1_000);
}

function againstLoop(tools) {
  return compare({
    id: "P3",
    name: "exec -j 2, against a bash loop",
    goal: 15,
    unit: "entries/s",
    ours: () => drain(tools, ENTRIES, ["-j", "2", "--exec", HANDLER]),
    peer: () => loop(tools),
  });
}

let streams = 0;

/** Makes a stream with a group that has read nothing of it yet. */
async function fill(tools, entries) {
  const stream = `bench:exec:${streams++}`;
  const script =
    "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'orderId', i, 'amount', '12.50') end " +
    "return redis.call('XGROUP', 'CREATE', KEYS[1], 'g', '0')";
  await run(tools.redisCli, ["-u", tools.redisUrl, "EVAL", script, "1", stream, String(entries)]);
  return stream;
}

/** Entries per second of wall time, start-up included. */
async function drain(tools, entries, handler) {
  const stream = await fill(tools, entries);
  const [node, bin] = tools.streamctl;
  const options = ["-u", tools.redisUrl, "-g", "g", "--until-empty", "-q"];
  const { ms } = await run(node, [bin, "consume", stream, ...options, ...handler]);
  await mustBeDone(tools, stream);
  return entries / (ms / 1_000);
}

/** A rate counts only when every entry was acked. */
async function mustBeDone(tools, stream) {
  const { stdout } = await run(tools.redisCli, ["-u", tools.redisUrl, "XINFO", "GROUPS", stream]);
  const facts = stdout.split("\n");
  const value = (name) => facts[facts.indexOf(name) + 1];
  if (value("pending") !== "0" || value("lag") !== "0")
    throw new Error(`${stream} was not drained: ${stdout}`);
}

async function loop(tools) {
  const stream = await fill(tools, LOOP_ENTRIES);
  const script = `
    cli() { "$REDIS_CLI" -u "$REDIS_URL" "$@"; }
    while entry=$(cli XREADGROUP GROUP g c COUNT 1 STREAMS "$STREAM" '>') && [ -n "$entry" ]; do
      id=$(printf '%s\\n' "$entry" | sed -n 2p)
      printf '%s\\n' "$entry" | sh -c '${HANDLER}' && cli XACK "$STREAM" g "$id" >/dev/null
    done`;
  const env = { REDIS_CLI: tools.redisCli, REDIS_URL: tools.redisUrl, STREAM: stream };
  const { ms } = await run("bash", ["-c", script], { env });
  await mustBeDone(tools, stream);
  return LOOP_ENTRIES / (ms / 1_000);
}
