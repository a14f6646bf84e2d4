// P7: moving a dead-letter queue back, each entry exactly once, against redis-cli --pipe, which gets the same
// XADD and XDEL pairs ready-made and gives no such promise.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compare, run } from "./lib/measure.mjs";

const ENTRIES = 100_000;
const STREAM = "bench:replay";
const DLQ = `${STREAM}:dlq`;

/** Start-up and shutdown of both programs count. @returns {Promise<import("./lib/measure.mjs").Result[]>} */
export async function bench(tools) {
  const { redisUrl, redisCli, tmp, streamctl } = tools;
  const resp = join(tmp, "replay.resp");
  writePairs(resp);
  const timed = async (program, args, input) => {
    await fill(tools);
    const rate = ENTRIES / (await secondsOf(program, args, input));
    const lengths = [await redis(tools, ["XLEN", STREAM]), await redis(tools, ["XLEN", DLQ])].map(Number);
    if (lengths[0] !== ENTRIES || lengths[1] !== 0)
      throw new Error(`${program} left ${lengths.join(" and ")} entries`);
    return rate;
  };
  const [node, bin] = streamctl;
  const result = await compare({
    id: "P7",
    name: "dlq replay --all vs redis-cli --pipe of XADD and XDEL pairs",
    goal: 0.5,
    unit: "entries/s",
    ours: () => timed(node, [bin, "dlq", "replay", STREAM, "--all", "-u", redisUrl, "-q"], "/dev/null"),
    peer: () => timed(redisCli, ["-u", redisUrl, "--pipe"], resp),
  });
  await redis(tools, ["DEL", STREAM, DLQ, `${STREAM}:replays`]);
  return [result];
}

const order = (i) => [
  "orderId",
  String(1_000_000 + i),
  "customer",
  `c-${(i * 7_919) % 100_000}`,
  "amount",
  String((i % 10_000) / 100),
  "note",
  `gift wrapped, please call before ${i % 12} o'clock`,
];

const letterId = (i) => `1694012345678-${i}`;

/** The queue as a worker leaves it; written by a script, so that it takes no time. */
async function fill(tools) {
  const script = `
for i = ARGV[1], ARGV[2] do
  redis.call('XADD', KEYS[1], '1694012345678-' .. i, 'orderId', 1000000 + i, 'customer', 'c-' .. i * 7919 % 100000,
    'amount', i % 10000 / 100, 'note', "gift wrapped, please call before " .. i % 12 .. " o'clock",
    'dlq.stream', ARGV[3], 'dlq.id', '1694012340000-' .. i, 'dlq.group', 'billing', 'dlq.consumer', 'host-7-1234',
    'dlq.deliveries', 5, 'dlq.reason', 'exit 1', 'dlq.exit', 1, 'dlq.stderr', 'no such customer',
    'dlq.failed-at', '2026-11-03T10:00:00.123Z', 'dlq.replays', 0, 'dlq.deliveries-total', 5)
end`;
  await redis(tools, ["DEL", STREAM, DLQ, `${STREAM}:replays`]);
  for (let first = 1; first <= ENTRIES; first += 20_000)
    await redis(tools, ["EVAL", script, "1", DLQ, String(first), String(first + 19_999), STREAM]);
}

function writePairs(path) {
  const file = openSync(path, "w");
  for (let first = 1; first <= ENTRIES; first += 10_000) {
    let commands = "";
    for (let i = first; i < first + 10_000; i++)
      commands += encode(["XADD", STREAM, "*", ...order(i)]) + encode(["XDEL", DLQ, letterId(i)]);
    writeSync(file, commands);
  }
  closeSync(file);
}

function encode(args) {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return text;
}

/** Wall time of a program that reads `input` on stdin. */
async function secondsOf(program, args, input) {
  const stdin = openSync(input, "r");
  const start = performance.now();
  const child = spawn(program, args, { stdio: [stdin, "ignore", "inherit"] });
  const [code] = await once(child, "close");
  closeSync(stdin);
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return (performance.now() - start) / 1_000;
}

async function redis(tools, command) {
  const { stdout } = await run(tools.redisCli, ["-u", tools.redisUrl, ...command]);
  if (/^(ERR|NOGROUP|WRONGTYPE)/.test(stdout)) throw new Error(`${command[0]}: ${stdout}`);
  return stdout;
}
