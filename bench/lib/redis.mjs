// What the benchmarks put into their Redis and ask it, always on the straight way to it.
import { run } from "./measure.mjs";

/** One command through redis-cli; what it printed. */
export async function redis(tools, ...command) {
  const { stdout } = await run(tools.redisCli, ["-u", tools.redisUrl, ...command.map(String)]);
  if (/^(ERR|NOGROUP|WRONGTYPE|BUSYGROUP)/.test(stdout)) throw new Error(`${command[0]}: ${stdout}`);
  return stdout;
}

/** Lines of commands at once, through redis-cli --pipe. */
export function pipe(tools, lines) {
  return run(tools.redisCli, ["-u", tools.redisUrl, "--pipe"], { input: `${lines.join("\r\n")}\r\n` });
}

/** The fields of an order of some 110 bytes; `i` is its number in the script. */
const ORDER =
  "'orderId', 100000 + i, 'customer', 'customer-' .. i % 977, 'amount', '12.50', 'note', " +
  "'left at the door, number ' .. i";

/** The fields of a dead letter of `stream` beside the original's. */
export const letterFields = (stream) =>
  `'dlq.stream', '${stream}', 'dlq.id', '1694012340000-' .. i, 'dlq.group', 'g', 'dlq.consumer', 'host-7-1234', ` +
  "'dlq.deliveries', 5, 'dlq.reason', 'exit 1', 'dlq.exit', 1, 'dlq.stderr', 'no such customer', 'dlq.failed-at', " +
  "'2026-11-03T10:00:00.123Z', 'dlq.replays', 0, 'dlq.deliveries-total', 5";

const SCRIPT_ENTRIES = 20_000;

/** IDs as an application gives them: a few in a millisecond, at uneven distances. */
export const SPREAD_ID =
  "string.format('%.0f-%d', 1750000000000 + math.floor(i / 3) * 7 + math.floor(i / 3) * 7919 % 5, i % 3)";

/** Adds entries numbered from 1; `fields` are Lua's arguments of XADD after the ID. */
export async function fill(
  tools,
  stream,
  entries,
  fields = ORDER,
  { id = "'*'", atOnce = SCRIPT_ENTRIES } = {},
) {
  const script = `for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], ${id}, ${fields}) end`;
  for (let first = 1; first <= entries; first += atOnce) {
    const last = Math.min(entries, first + atOnce - 1);
    await redis(tools, "EVAL", script, 1, stream, first, last);
  }
}

/** A group that has been given everything, and has all of it pending with one consumer. */
export async function fillPending(tools, stream, group, consumer) {
  await redis(tools, "XGROUP", "CREATE", stream, group, "0");
  const script =
    "local got = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>') " +
    "return got and #got[1][2] or 0";
  for (;;) {
    const read = await redis(tools, "EVAL", script, 1, stream, group, consumer, SCRIPT_ENTRIES);
    if (Number(read) < SCRIPT_ENTRIES) return;
  }
}

/** The facts of one group. */
export async function groupFacts(tools, stream) {
  const facts = (await redis(tools, "XINFO", "GROUPS", stream)).split("\n");
  return Object.fromEntries(
    ["pending", "lag", "entries-read"].map((name) => [name, Number(facts[facts.indexOf(name) + 1])]),
  );
}

/** A rate of a worker counts only when every entry was acked. */
export async function mustBeDone(tools, stream) {
  const { pending, lag } = await groupFacts(tools, stream);
  if (pending !== 0 || lag !== 0) throw new Error(`${stream} has ${pending} pending and a lag of ${lag}`);
}

/** A count that has to be reached, or the measure measured something else. */
export async function mustHave(tools, stream, entries) {
  const length = Number(await redis(tools, "XLEN", stream));
  if (length !== entries) throw new Error(`${stream} has ${length} of ${entries} entries`);
}

/** A command as RESP, of text of one byte a character. */
export function encodeCommand(args) {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${String(arg).length}\r\n${arg}\r\n`;
  return text;
}
