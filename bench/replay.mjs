// P7: moving a dead-letter queue back, each entry exactly once, against redis-cli --pipe, which gets the same
// XADD and XDEL pairs ready-made and gives no such promise.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compare, timeFiles } from "./lib/measure.mjs";
import { encodeCommand, mustHave, redis } from "./lib/redis.mjs";

const ENTRIES = 100_000;
const STREAM = "bench:replay";
const DLQ = `${STREAM}:dlq`;

/** Start-up and shutdown of both programs count. */
export async function bench(tools) {
  const { redisUrl, redisCli, tmp } = tools;
  const resp = join(tmp, "replay.resp");
  writePairs(resp);
  const timed = async (command, input) => {
    await fill(tools);
    const ms = await timeFiles(command, { input });
    await mustHave(tools, STREAM, ENTRIES);
    await mustHave(tools, DLQ, 0);
    return ENTRIES / (ms / 1_000);
  };
  await compare(tools, {
    id: "P7",
    name: "dlq replay --all, against redis-cli --pipe of XADD and XDEL pairs",
    now: 0.6,
    further: 0.8,
    unit: "entries/s",
    ours: (streamctl) => timed([...streamctl, "dlq", "replay", STREAM, "--all", "-u", redisUrl, "-q"]),
    peer: () => timed([redisCli, "-u", redisUrl, "--pipe"], resp),
  });
  await redis(tools, "DEL", STREAM, DLQ, `${STREAM}:replays`);
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
  await redis(tools, "DEL", STREAM, DLQ, `${STREAM}:replays`);
  for (let first = 1; first <= ENTRIES; first += 20_000)
    await redis(tools, "EVAL", script, 1, DLQ, first, first + 19_999, STREAM);
}

function writePairs(path) {
  const file = openSync(path, "w");
  for (let first = 1; first <= ENTRIES; first += 10_000) {
    let commands = "";
    for (let i = first; i < first + 10_000; i++)
      commands +=
        encodeCommand(["XADD", STREAM, "*", ...order(i)]) + encodeCommand(["XDEL", DLQ, letterId(i)]);
    writeSync(file, commands);
  }
  closeSync(file);
}
