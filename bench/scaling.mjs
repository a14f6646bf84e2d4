// P12: partitions of a stream on a cluster of three nodes, each read by all workers: how entries a second grow with partitions and
// workers, against one worker on one partition in the same minute. Every run is checked: each entry handled once, and
// those of one customer in the order in which they were produced.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuOf, emptyCluster, startCluster } from "./lib/cluster.mjs";
import { compare, measuredEnvironment, median, openNowhere, run } from "./lib/measure.mjs";

const COUNTS = [1, 2, 4, 8];
const NODES = 3;
const CUSTOMERS = 977;
const PLACES = 4;
const PAIRS = 2;
const DEADLINE_MS = 120_000;
const GROUP = "g";

/** Waits, as for something downstream: the processor has nothing to do meanwhile. */
const WAIT =
  'open(L, ">>", shift); $s = shift; $| = 1; ' +
  'while (<STDIN>) { select(undef, undef, undef, $s); /"customer":"(\\w+)","n":"(\\d+)"/; syswrite(L, "$1 $2\\n"); print "ok\\n" }';

/** `entries`: for each worker, so that a run takes a few seconds. */
const waiting = (ms, entries) => ({
  name: `a handler that waits for ${ms} ms`,
  entries,
  handler: (log) => ["--persistent", "--", "perl", "-e", WAIT, log, String(ms / 1_000)],
});
const LONG = waiting(100, 150);
/** More of these than the cores can take. */
const SHORT = waiting(5, 1_500);
const SHELLS = {
  name: "a shell per entry",
  entries: 600,
  handler: (log) => ["--env-fields", "--exec", `echo "$FIELD_CUSTOMER $FIELD_N" >>'${log}'`],
};

export async function bench(tools) {
  const cluster = await startCluster(tools, NODES);
  try {
    for (const partitions of COUNTS)
      for (const workers of COUNTS) await measure(tools, cluster, LONG, partitions, workers);
    for (const kind of [SHORT, SHELLS])
      for (const workers of COUNTS) await measure(tools, cluster, kind, 4, workers);
  } finally {
    await cluster.stop();
  }
}

async function measure(tools, cluster, kind, partitions, workers) {
  const name = `${kind.name}, ${partitions} partitions, ${workers} workers, against 1 and 1`;
  if (!tools.wants(name)) return;
  const server = [];
  await compare(tools, {
    id: "P12",
    name,
    unit: "entries/s",
    pairs: PAIRS,
    ours: async (streamctl) => {
      const { rate, cpu } = await work(tools, cluster, streamctl, { kind, partitions, workers });
      server.push(cpu);
      return rate;
    },
    peer: async () => (await work(tools, cluster, tools.streamctl, { kind, partitions: 1, workers: 1 })).rate,
    more: { server },
  });
  const spent = (what) => median(server.map(what));
  const perEntry = spent(({ usPerEntry }) => usPerEntry).toFixed(0);
  const busiest = (spent(({ share }) => share) * 100).toFixed(0);
  console.error(`    ${perEntry} µs of Redis for an entry, ${busiest}% of it on the busiest node`);
}

/** Entries a second from the first that was handled to the last, and what they cost Redis. */
async function work(tools, cluster, streamctl, { kind, partitions, workers }) {
  const entries = kind.entries * workers;
  const lines = Array.from({ length: entries }, (_, at) => ({
    customer: `c${at % CUSTOMERS}`,
    n: String(at),
  }));
  const log = join(tools.tmp, "handled");
  const input = join(tools.tmp, "orders.ndjson");
  writeFileSync(log, "");
  writeFileSync(input, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await emptyCluster(tools, cluster);
  const [program, ...first] = streamctl;
  const where = ["-u", cluster.url, "--cluster"];
  const call = (...args) => run(program, [...first, ...args, ...where]);
  const keys = Array.from({ length: partitions }, (_, at) => `scale:${at}`);
  await call("group", "create", ...keys, GROUP, "--mkstream");
  const begun = [];
  try {
    const job = ["consume", ...keys, "-g", GROUP, "-j", String(PLACES), "--order-by", "customer", ...where];
    for (let worker = 0; worker < workers; worker++)
      begun.push(startWorker(program, [...first, ...job, ...kind.handler(log)]));
    await Promise.all(begun.map(({ ready }) => ready));
    const before = await cpuOf(tools, cluster);
    const split = ["--partitions", String(partitions), "--partition-by", "customer", "--file", input];
    const [rate] = await Promise.all([handled(log, lines), call("produce", "scale", ...split, "-q")]);
    const after = await cpuOf(tools, cluster);
    await call("lag", ...keys, "--wait", "--timeout", "30s");
    mustBeInOrder(log, entries);
    return { rate, cpu: spent(before, after, entries) };
  } finally {
    await Promise.all(begun.map(({ stop }) => stop()));
  }
}

/** A worker of its own process; `ready` when it has said that it works. */
function startWorker(program, args) {
  const nowhere = openNowhere();
  const child = spawn(program, args, { stdio: ["ignore", nowhere, "pipe"], env: measuredEnvironment() });
  const closed = once(child, "close");
  const said = createInterface({ input: child.stderr });
  const ready = Promise.race([
    once(said, "line"),
    closed.then(() => Promise.reject(new Error("a worker did not start"))),
  ]);
  ready.catch(() => {});
  return {
    ready,
    stop: async () => {
      child.kill();
      await closed;
    },
  };
}

/** How many lines a second come into the log, once the first has come. */
async function handled(log, lines) {
  const whole = lines.reduce((sum, { customer, n }) => sum + customer.length + n.length + 2, 0);
  const deadline = performance.now() + DEADLINE_MS;
  let first;
  for (;;) {
    const { size } = statSync(log);
    const at = performance.now();
    if (size > 0) first ??= { size, at };
    if (size >= whole) return (lines.length * (1 - first.size / whole)) / ((at - first.at) / 1_000);
    if (at > deadline)
      throw new Error(`${size} of ${whole} bytes were logged within ${DEADLINE_MS / 1_000} s`);
    await sleep(5);
  }
}

/** Each entry once, and those of a customer in order: otherwise the numbers are worth nothing. */
function mustBeInOrder(log, entries) {
  const last = new Map();
  const seen = new Set();
  for (const line of readFileSync(log, "utf8").trimEnd().split("\n")) {
    const [customer, n] = line.split(" ");
    if (Number(n) <= (last.get(customer) ?? -1))
      throw new Error(`${customer}: ${n} came after ${last.get(customer)}`);
    last.set(customer, Number(n));
    seen.add(n);
  }
  if (seen.size !== entries) throw new Error(`${seen.size} of ${entries} entries were handled`);
}

function spent(before, after, entries) {
  const each = after.map((ms, node) => ms - before[node]);
  const all = each.reduce((sum, ms) => sum + ms, 0);
  return { usPerEntry: (all * 1_000) / entries, share: Math.max(...each) / all };
}
