// P11: how time and memory grow when there is ten times as much: nothing more than in step with what it must touch,
// and nothing at all with what it need not. A run of all sizes takes the better part of an hour.
import os from "node:os";
import { median } from "./lib/measure.mjs";
import { peakOf } from "./lib/peak.mjs";
import { fill, fillPending, letterFields, redis } from "./lib/redis.mjs";

const STREAM = "bench:growth";
const DLQ = `${STREAM}:dlq`;
const GROUP = "g";
const RUNS = 3;
/** Ten times the work in that many times the time, with some of it for noise. */
const IN_STEP = 10.5;
/** What need not grow at all: a start takes 0.1 s, and varies. */
const FLAT = 2;
const MOST_MB = 110;

const SMALL = "'orderId', i, 'amount', '12.50'";
const ONE = ["--count", "1", "--exec", "true"];
/** Room for 10^7 small entries in Redis, and for all else. */
const ROOMY_BYTES = 4 * 1024 ** 3;

const of = (name, args, more = {}) => ({ name, args, ...more });
const flat = (name, args) => of(name, args, { flat: true });
const all = (n) => ["--limit", String(n)];

const everyEntry = [
  of("dump", () => ["consume", STREAM]),
  flat("consume the last entry", () => ["consume", STREAM, "--reverse", "--count", "1"]),
  flat("lag", () => ["lag", STREAM]),
  flat("info", () => ["info", STREAM]),
  flat("doctor", () => ["doctor"]),
  flat("ls", () => ["ls"]),
  flat("a worker's first entry", () => ["consume", STREAM, "-g", GROUP, ...ONE]),
  of("trim", () => ["trim", STREAM, "--maxlen", "0", "--exact", "--force", "-y"], { last: true }),
];

const everyPending = [
  of("pending --list", (n) => ["pending", STREAM, "-g", GROUP, "--list", ...all(n)]),
  of("pending", () => ["pending", STREAM, "-g", GROUP]),
  flat("lag with pending", () => ["lag", STREAM]),
  flat("doctor with pending", () => ["doctor"]),
  flat("a worker's first entry beside pending ones", () => ["consume", STREAM, "-g", GROUP, ...ONE]),
  of("claim --all", (n, run) => ["claim", STREAM, "-g", GROUP, "--all", "--to", `to-${run % 2}`]),
];

const everyLetter = [
  of("dlq list of all", (n) => ["dlq", "list", STREAM, ...all(n)]),
  flat("dlq list of ten", () => ["dlq", "list", STREAM, ...all(10)]),
  of("dlq list --by reason", () => ["dlq", "list", STREAM, "--by", "reason"]),
  of("dlq replay", () => ["dlq", "replay", STREAM, "--all", "--all-groups", "-y"], { last: true }),
];

const WORK_ALL = [
  "consume",
  `${STREAM}:*`,
  "-g",
  GROUP,
  "--until-empty",
  "--batch",
  "100",
  "--exec",
  "cat >/dev/null",
];

const everyStream = [
  of("ls of streams", () => ["ls"]),
  of("lag of streams", () => ["lag", `${STREAM}:*`]),
  of("doctor of streams", () => ["doctor"]),
  of("a worker of streams until they are empty", () => WORK_ALL),
];

const everyGroup = [
  of("lag of groups", () => ["lag", STREAM]),
  of("info of groups", () => ["info", STREAM]),
  of("doctor of groups", () => ["doctor"]),
  of("trim with groups", () => ["trim", STREAM, "--maxlen", "0", "--exact"]),
  flat("a worker's first entry beside groups", () => ["consume", STREAM, "-g", "g1", ...ONE]),
];

const everyConsumer = [
  of("group consumers", () => ["group", "consumers", STREAM, GROUP]),
  of("pending of consumers", () => ["pending", STREAM, "-g", GROUP]),
  of("lag of consumers", () => ["lag", STREAM]),
  of("doctor of consumers", () => ["doctor"]),
  of("a worker's first entry beside consumers", () => ["consume", STREAM, "-g", GROUP, ...ONE]),
];

const everyByte = [of("dump of large entries", () => ["consume", STREAM])];

const group = (tools, name = GROUP) => redis(tools, "XGROUP", "CREATE", STREAM, name, "0");

const AXES = [
  {
    of: "entries",
    sizes: [1e3, 1e4, 1e5, 1e6, 1e7],
    make: async (tools, n) => {
      await fill(tools, STREAM, n, SMALL);
      await group(tools);
    },
    commands: everyEntry,
  },
  {
    of: "pending entries",
    sizes: [1e3, 1e4, 1e5, 1e6],
    make: async (tools, n) => {
      await fill(tools, STREAM, n, SMALL);
      await fillPending(tools, STREAM, GROUP, "c");
      await fill(tools, STREAM, 1e3, SMALL);
    },
    commands: everyPending,
  },
  {
    of: "dead letters",
    sizes: [1e3, 1e4, 1e5, 1e6],
    make: (tools, n) => fill(tools, DLQ, n, `${SMALL}, ${letterFields(STREAM)}`),
    commands: everyLetter,
  },
  {
    of: "streams",
    sizes: [10, 100, 1e3, 1e4],
    make: (tools, n) => {
      const script =
        `for i = ARGV[1], ARGV[2] do local key = '${STREAM}:' .. i redis.call('XADD', key, '*', 'a', i) ` +
        `redis.call('XGROUP', 'CREATE', key, '${GROUP}', '0') end`;
      return redis(tools, "EVAL", script, 0, 1, n);
    },
    commands: everyStream,
  },
  {
    of: "groups of one stream",
    sizes: [1, 10, 100, 1e3],
    make: async (tools, n) => {
      await fill(tools, STREAM, 1e3, SMALL);
      for (let i = 1; i <= n; i++) await group(tools, `g${i}`);
    },
    commands: everyGroup,
  },
  {
    of: "consumers",
    sizes: [1, 10, 100, 1e3],
    make: async (tools, n) => {
      await fill(tools, STREAM, n + 1e3, SMALL);
      await group(tools);
      const script =
        `for i = 1, ARGV[1] do redis.call('XREADGROUP', 'GROUP', '${GROUP}', 'c' .. i, 'COUNT', 1, ` +
        "'STREAMS', KEYS[1], '>') end";
      await redis(tools, "EVAL", script, 1, STREAM, n);
    },
    commands: everyConsumer,
  },
  ...[1e3, 64e3, 1e6].map((bytes) => ({
    of: `MB in entries of ${bytes / 1e3} KB`,
    sizes: [10, 100, 1e3],
    make: (tools, mb) => {
      const entries = Math.ceil((mb * 1e6) / bytes);
      return fill(tools, STREAM, entries, `'data', string.rep('x', ${bytes})`, { atOnce: 5e7 / bytes });
    },
    commands: everyByte,
  })),
];

export async function bench(tools) {
  if (process.platform !== "linux") {
    console.error("P11 left out: it reads /proc");
    return;
  }
  const most = os.freemem() > ROOMY_BYTES ? Number.POSITIVE_INFINITY : 1e6;
  for (const axis of AXES) {
    const commands = axis.commands.filter(({ name }) => tools.wants(name));
    if (commands.length > 0)
      await grow(
        tools,
        axis,
        commands,
        axis.sizes.filter((size) => size <= most),
      );
  }
}

/** Each command at each size; a step compares a size with the one before it. */
async function grow(tools, axis, commands, sizes) {
  const before = new Map();
  for (const size of sizes) {
    await redis(tools, "FLUSHDB");
    await axis.make(tools, size);
    for (const command of commands) {
      if (tools.stopping.aborted) throw new Error("stopped");
      const measured = await measure(tools, axis, command, size);
      const smaller = before.get(command);
      if (smaller) tools.results.push(...step(tools, axis, command, size, smaller, measured));
      before.set(command, measured);
      const { ms, mb } = measured;
      const amounts = `${Math.round(median(ms))} ms, ${Math.round(Math.max(...mb))} MB`;
      console.error(`P11 ${command.name}, ${size} ${axis.of}: ${amounts}`);
    }
  }
  await redis(tools, "FLUSHDB");
}

/** What uses up what it works on runs `last`, and all is made anew before its next run. */
async function measure(tools, axis, { args, last }, size) {
  const measured = { ms: [], mb: [], other: [] };
  for (let run = 0; run < (tools.pairs ?? RUNS); run++) {
    for (const streamctl of tools.against ? [tools.streamctl, tools.against] : [tools.streamctl]) {
      const { ms, mb } = await peakOf(tools, streamctl, args(size, run));
      if (streamctl === tools.against) measured.other.push(ms);
      else measured.ms.push(ms);
      measured.mb.push(mb);
      if (!last) continue;
      await redis(tools, "FLUSHDB");
      await axis.make(tools, size);
    }
  }
  return measured;
}

function step(tools, axis, { name, flat: isFlat }, size, smaller, { ms, mb, other }) {
  const peer = tools.against ? other : smaller.ms;
  const goals = tools.against ? {} : { now: isFlat ? FLAT : IN_STEP };
  const id = "P11";
  const time = {
    id,
    name: `${name}, ${size} ${axis.of} against a tenth`,
    ...goals,
    atMost: true,
    unit: "ms",
    ours: ms,
    peer,
    ratios: ms.map((one, n) => one / (peer[n] ?? median(peer))),
  };
  const room = { ...time, name: `peak memory of ${name}, ${size} ${axis.of}`, unit: "MB" };
  const peak = Math.max(...mb);
  const memory = {
    ...room,
    now: tools.against ? undefined : MOST_MB,
    ours: [peak],
    peer: [],
    ratios: [peak],
  };
  return size === axis.sizes.at(-1) ? [time, memory] : [time];
}
