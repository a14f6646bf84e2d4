// npm run prove:schedule [-- --entries 20000 --seconds 12 --many 1000000]: what docs/schedule.md promises, at length.
//
// 1. Entries come due while runners are killed with SIGKILL and the server is, too, again and again: none is missing,
//    doubled or early.
// 2. The same with nobody killed: how late each was, by the server's clock.
// 3. Very many are scheduled, listed, added and cancelled: memory of the program, memory of the server, calls over 8 ms.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { peakOf } from "../bench/lib/peak.mjs";
import { startSandbox } from "../bench/lib/tools.mjs";

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "20000" },
    seconds: { type: "string", default: "12" },
    many: { type: "string", default: "1000000" },
  },
});
const [entries, seconds, many] = [values.entries, values.seconds, values.many].map(Number);
const streamctl = [process.execPath, new URL("../bin/streamctl.js", import.meta.url).pathname];
const STREAM = "proof:orders";
const SLOW_US = 8_000;

const sandbox = await startSandbox(process.env);
const { server } = sandbox;
await sandbox.stop();
const dir = mkdtempSync(join(tmpdir(), "streamctl-proof-"));
const port = 20_000 + (process.pid % 20_000);
const redisUrl = `redis://127.0.0.1:${port}`;
let child = await startServer(["--appendonly", "yes", "--appendfsync", "always"]);
const redis = new Redis(redisUrl, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
redis.on("error", () => {});
let failed = false;
try {
  await redis.ping();
  await faults();
  await redis.flushall();
  await lateness();
  await redis.flushall();
  await stopServer("SIGTERM");
  child = await startServer([]);
  await redis.ping();
  await size();
} finally {
  redis.disconnect();
  await stopServer("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function startServer(more) {
  const args = ["--port", String(port), "--dir", dir, "--save", "", "--bind", "127.0.0.1", ...more];
  const started = spawn(server, args, { stdio: "ignore" });
  started.ended = once(started, "close");
  return started;
}

async function stopServer(signal) {
  child.kill(signal);
  await child.ended;
}

/** Entries that are due from so long from now on, each with its time. */
async function schedule(count, leadMs) {
  const now = await serverMs();
  const lines = Array.from({ length: count }, (_, n) => {
    const at = now + leadMs + Math.floor((n * 7_919) % (seconds * 1_000));
    return `{"n":${n},"at":${at}}\n`;
  });
  await run(["produce", STREAM, "--delay-field", "at", "-q"], lines.join(""));
}

function runner(argv) {
  return spawn(streamctl[0], [streamctl[1], ...argv, "-u", redisUrl, "-q"], { stdio: "ignore" });
}

async function faults() {
  await schedule(entries, 2_000);
  const stopped = { now: false };
  const seats = [
    ["schedule", "run", STREAM],
    ["schedule", "run", STREAM],
    ["consume", STREAM, "-g", "g", "--create-group", "-j", "4", "--exec", "true"],
  ];
  let kills = 0;
  const sitting = seats.map(async (argv) => {
    while (!stopped.now) {
      const process = runner(argv);
      const ended = once(process, "close");
      await Promise.race([ended, sleep(500 + Math.random() * 1_500)]);
      process.kill("SIGKILL");
      kills++;
      await ended;
    }
  });
  let restarts = 0;
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    await sleep(3_000);
    await stopServer("SIGKILL");
    child = await startServer(["--appendonly", "yes", "--appendfsync", "always"]);
    restarts++;
  }
  while ((await redis.exists(`${STREAM}:scheduled`)) > 0) await sleep(100);
  stopped.now = true;
  await Promise.all(sitting);
  const { missing, doubled, early } = await judge();
  report(
    `${entries} entries, ${kills} SIGKILLs of runners, ${restarts} of the server: ${missing} missing, ${doubled} doubled, ${early} early`,
    missing + doubled + early === 0,
  );
}

async function lateness() {
  const process = runner(["schedule", "run", STREAM]);
  await schedule(entries, 10_000);
  const ended = once(process, "close");
  while ((await redis.exists(`${STREAM}:scheduled`)) > 0) await sleep(100);
  process.kill("SIGTERM");
  await ended;
  const { missing, doubled, early, late } = await judge();
  late.sort((a, b) => a - b);
  const at = (share) => late[Math.min(late.length - 1, Math.floor(late.length * share))];
  report(
    `${entries} entries over ${seconds} s, one runner: late by ${at(0.5)} ms (median), ${at(0.99)} ms (99 %), ${at(1)} ms (worst)`,
    missing + doubled + early === 0 && at(1) < 1_000,
  );
}

async function judge() {
  const seen = new Map();
  const late = [];
  let early = 0;
  let from = "-";
  for (;;) {
    const page = await redis.xrange(STREAM, from, "+", "COUNT", 1_000);
    for (const [id, fields] of page) {
      seen.set(fields[1], (seen.get(fields[1]) ?? 0) + 1);
      const ms = Number(id.split("-")[0]) - Number(fields[3]);
      if (ms < 0) early++;
      late.push(ms);
    }
    if (page.length < 1_000) break;
    from = `(${page.at(-1)[0]}`;
  }
  const doubled = [...seen.values()].filter((count) => count > 1).length;
  return { missing: entries - seen.size, doubled, early, late };
}

async function size() {
  await redis.config("SET", "slowlog-log-slower-than", SLOW_US);
  await redis.config("SET", "slowlog-max-len", 100);
  const tools = { redisUrl };
  const step = async (what, args, source) => {
    await redis.call("SLOWLOG", "RESET");
    const { mb, ms } = await peakOf(tools, streamctl, args, source);
    const slow = (await redis.call("SLOWLOG", "GET", 100)).map(
      ([, , us, [name]]) => `${name} ${us / 1_000} ms`,
    );
    const rate = Math.round(many / (ms / 1_000));
    report(
      `${what} ${many}: ${mb.toFixed(0)} MB, ${rate}/s, ${slow.length} calls over 8 ms ${slow.slice(0, 3).join(", ")}`,
      mb < 150 && slow.length === 0,
    );
  };
  const before = await usedMemory();
  await step("scheduling", ["produce", STREAM, "--delay", "30d", "-q"], async (stdin) => {
    for (let n = 0; n < many; n += 1_000) {
      let lines = "";
      for (let i = n; i < n + 1_000; i++)
        lines += `{"orderId":${i},"customer":"c-${i % 977}","note":"gift wrapped"}\n`;
      if (!stdin.write(lines)) await once(stdin, "drain");
    }
  });
  report(`the server holds ${Math.round(((await usedMemory()) - before) / many)} bytes for each`, true);
  await step("listing", ["schedule", "list", STREAM, "-o", "ndjson"]);
  // All are due at once from here on.
  await redis.zunionstore(`${STREAM}:scheduled`, 1, `${STREAM}:scheduled`, "WEIGHTS", 0);
  await step("adding", ["schedule", "run", STREAM, "--once", "-q"]);
  if ((await redis.xlen(STREAM)) !== many) report("not all were added", false);
  await redis.del(STREAM);
  await step(
    "scheduling at one time",
    ["produce", STREAM, "--at", "2099-01-01T00:00:00Z", "-q"],
    async (stdin) => {
      for (let n = 0; n < many; n += 1_000) {
        let lines = "";
        for (let i = n; i < n + 1_000; i++) lines += `{"orderId":${i}}\n`;
        if (!stdin.write(lines)) await once(stdin, "drain");
      }
    },
  );
  await step("cancelling", ["schedule", "cancel", STREAM, "--all", "-y", "-q"]);
}

async function usedMemory() {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))[1]);
}

async function serverMs() {
  const [s, us] = await redis.time();
  return s * 1_000 + Math.floor(us / 1_000);
}

async function run(argv, input) {
  const process = spawn(streamctl[0], [streamctl[1], ...argv, "-u", redisUrl], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  process.stdin.end(input);
  const [code] = await once(process, "close");
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}`);
}

function report(text, good) {
  if (!good) failed = true;
  console.log(`${good ? "ok  " : "FAIL"} ${text}`);
}
