// P10: what takes how much longer when each way to Redis takes 5 ms, against the same work near. Both go through a
// proxy, so that they differ in the delay alone.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProxy } from "./lib/far.mjs";
import { compare, timeFiles } from "./lib/measure.mjs";
import { fill, fillPending, letterFields, mustBeDone, mustHave, redis, SPREAD_ID } from "./lib/redis.mjs";

const DELAY_MS = 5;
const STREAM = "bench:far";
const EMITTED = `${STREAM}:emitted`;
const DLQ = `${STREAM}:dlq`;
const GROUP = "g";

const HANDLER = "cat >/dev/null";
const PERSISTENT = ["--persistent", "--", "perl", "-ne", "BEGIN { $| = 1 } print qq(ok\n)"];
/** `make` puts what is to be worked on into Redis; `check` throws unless all of it has been done. */
const work = (name, entries, args, { make, check = async () => {} }) => ({
  name,
  entries,
  args,
  make,
  check,
});

const entriesOnly = (tools, entries) => fill(tools, STREAM, entries, undefined, { id: SPREAD_ID });

function worker(name, entries, args, left = {}) {
  return work(name, entries, ["consume", STREAM, "-g", GROUP, "--until-empty", "-q", ...args], {
    make: async (tools) => {
      await fill(tools, STREAM, entries);
      await redis(tools, "XGROUP", "CREATE", STREAM, GROUP, "0");
    },
    check: async (tools) => {
      await mustBeDone(tools, STREAM);
      for (const [key, length] of Object.entries(left)) await mustHave(tools, key, length);
    },
  });
}

function pending(name, entries, args) {
  return work(name, entries, [args[0], STREAM, "-g", GROUP, ...args.slice(1)], {
    make: async (tools) => {
      await entriesOnly(tools, entries);
      await fillPending(tools, STREAM, GROUP, "c");
    },
  });
}

function letters(name, entries, left, args) {
  return work(name, entries, ["dlq", args[0], STREAM, ...args.slice(1)], {
    make: (tools) =>
      fill(tools, DLQ, entries, `'orderId', i, 'amount', '12.50', ${letterFields(STREAM)}`, {
        id: SPREAD_ID,
      }),
    check: (tools) => mustHave(tools, DLQ, left),
  });
}

const ARCHIVE = ["--archive", "ARCHIVE"];

/** Each takes a second or more near, so that the few round trips of a start don't count. */
const WORK = [
  worker("exec -j 1", 2_000, ["-j", "1", "--exec", HANDLER]),
  worker("exec -j 2", 3_000, ["-j", "2", "--exec", HANDLER]),
  worker("exec -j 8", 4_000, ["-j", "8", "--exec", HANDLER]),
  worker("exec --batch 100 -j 2", 100_000, ["-j", "2", "--batch", "100", "--exec", HANDLER]),
  worker("exec --persistent -j 2", 100_000, ["-j", "2", ...PERSISTENT]),
  worker("dead-lettering -j 8", 4_000, ["-j", "8", "--exec", `${HANDLER}; exit 65`], {
    [DLQ]: 4_000,
  }),
  worker("exec --emit -j 8", 4_000, ["-j", "8", "--emit", EMITTED, "--exec", "cat"], { [EMITTED]: 4_000 }),
  worker("exec --order-by -j 8", 4_000, ["-j", "8", "--order-by", "customer", "--exec", HANDLER]),
  worker("exec --dedupe -j 8", 4_000, ["-j", "8", "--dedupe", "orderId", "--exec", HANDLER]),
  worker("consume -g, printed", 500_000, []),
  work("dump", 1_000_000, ["consume", STREAM], { make: entriesOnly }),
  work("dump of bursts", 1_000_000, ["consume", STREAM], {
    make: (tools, entries) => fill(tools, STREAM, entries),
  }),
  work("dump, 4 KB each", 50_000, ["consume", STREAM], {
    make: (tools) => fill(tools, STREAM, 50_000, "'note', string.rep('x', 4096)", { id: SPREAD_ID }),
  }),
  work("produce", 1_000_000, ["produce", STREAM, "-q"], {
    make: async () => {},
    check: (tools) => mustHave(tools, STREAM, 1_000_000),
  }),
  pending("claim --all", 50_000, ["claim", "--to", "other", "--all", "-q"]),
  pending("pending --list", 200_000, ["pending", "--list", "--limit", "200000"]),
  pending("pending --list --payload", 50_000, ["pending", "--list", "--payload", "--limit", "50000"]),
  letters("dlq list", 100_000, 100_000, ["list", "--limit", "100000"]),
  letters("dlq purge", 200_000, 0, ["purge", "--all", "-y", "-q"]),
  letters("dlq purge --archive", 100_000, 0, ["purge", "--all", "-y", "-q", ...ARCHIVE]),
  letters("dlq replay", 100_000, 0, ["replay", "--all", "-q"]),
  work("trim", 1_000_000, ["trim", STREAM, "--maxlen", "0", "--exact", "-y", "-q"], {
    make: entriesOnly,
    check: (tools) => mustHave(tools, STREAM, 0),
  }),
  work("trim --archive", 300_000, ["trim", STREAM, "--maxlen", "0", "--exact", "-y", "-q", ...ARCHIVE], {
    make: entriesOnly,
    check: (tools) => mustHave(tools, STREAM, 0),
  }),
];

export async function bench(tools) {
  const near = await startProxy(tools.redisUrl, 0);
  const far = await startProxy(tools.redisUrl, DELAY_MS);
  console.error(`a round trip: ${near.pingMs.toFixed(1)} ms near, ${far.pingMs.toFixed(1)} ms far`);
  try {
    for (const one of WORK.filter(({ name }) => tools.wants(name))) {
      const roundTrips = [];
      const measure = async (proxy, streamctl) => {
        const { rate, turns } = await doWork(tools, proxy, streamctl, one);
        if (proxy === far) roundTrips.push(turns);
        return rate;
      };
      await compare(tools, {
        id: "P10",
        name: `${one.name}, 10 ms from Redis, against itself near`,
        now: 0.8,
        further: 0.95,
        unit: "entries/s",
        ours: (streamctl) => measure(far, streamctl),
        peer: () => measure(near, tools.streamctl),
        more: { entries: one.entries, roundTrips },
      });
    }
  } finally {
    await Promise.all([near.stop(), far.stop()]);
    await redis(tools, "FLUSHDB");
  }
}

/** Entries per second of wall time, start-up included, and the round trips of the whole run. */
async function doWork(tools, proxy, streamctl, { entries, args, make, check }) {
  await redis(tools, "FLUSHDB");
  await make(tools, entries);
  const archive = join(tools.tmp, "far.archive.ndjson");
  rmSync(archive, { force: true });
  const input = join(tools.tmp, "far.in.ndjson");
  writeFileSync(input, args[0] === "produce" ? orders(entries) : "");
  const command = [...streamctl, ...args.map((arg) => (arg === "ARCHIVE" ? archive : arg))];
  await proxy.takeTurns();
  // What is said before `--` is ours; what comes after it is the program's.
  const end = command.includes("--") ? command.indexOf("--") : command.length;
  const ms = await timeFiles([...command.slice(0, end), "-u", proxy.url, ...command.slice(end)], {
    input,
    output: join(tools.tmp, "far.out"),
  });
  const turns = await proxy.takeTurns();
  await check(tools);
  return { rate: entries / (ms / 1_000), turns };
}

function orders(entries) {
  return '{"orderId":"100000","customer":"customer-7","amount":12.5,"note":"left at the door"}\n'.repeat(
    entries,
  );
}
