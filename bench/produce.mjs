// P1: produce from NDJSON against redis-cli --pipe, which gets the same entries as ready-made RESP.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compare, run } from "./lib/measure.mjs";

const ENTRIES = 1_000_000;
const KEY = "bench:produce";

/** Start-up and shutdown of both programs count. @returns {Promise<import("./lib/measure.mjs").Result[]>} */
export async function bench({ redisUrl, redisCli, tmp, streamctl: [node, bin] }) {
  const ndjson = join(tmp, "orders.ndjson");
  const resp = join(tmp, "orders.resp");
  writeOrders(ndjson, resp);
  const clear = () => run(redisCli, ["-u", redisUrl, "DEL", KEY]);
  const timed = async (program, args, input) => {
    await clear();
    const rate = ENTRIES / (await secondsOf(program, args, input));
    const { stdout } = await run(redisCli, ["-u", redisUrl, "XLEN", KEY]);
    if (Number(stdout) !== ENTRIES)
      throw new Error(`${program} wrote ${stdout.trim()} of ${ENTRIES} entries`);
    return rate;
  };
  const result = await compare({
    id: "P1",
    name: "produce NDJSON vs redis-cli --pipe of ready-made RESP",
    goal: 0.7,
    unit: "entries/s",
    ours: () => timed(node, [bin, "produce", KEY, "-u", redisUrl, "-q"], ndjson),
    peer: () => timed(redisCli, ["-u", redisUrl, "--pipe"], resp),
  });
  await clear();
  return [result];
}

/** Orders of four fields and about 110 bytes, in both forms. */
function writeOrders(ndjsonPath, respPath) {
  const ndjson = openSync(ndjsonPath, "w");
  const resp = openSync(respPath, "w");
  for (let first = 0; first < ENTRIES; first += 10_000) {
    let lines = "";
    let commands = "";
    for (let i = first; i < first + 10_000; i++) {
      const order = {
        orderId: String(1_000_000 + i),
        customer: `c-${(i * 7_919) % 100_000}`,
        amount: (i % 10_000) / 100,
        note: `gift wrapped, please call before ${i % 12} o'clock`,
      };
      lines += `${JSON.stringify(order)}\n`;
      commands += encode(["XADD", KEY, "*", ...Object.entries(order).flat()]);
    }
    writeSync(ndjson, lines);
    writeSync(resp, commands);
  }
  closeSync(ndjson);
  closeSync(resp);
}

function encode(args) {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${String(arg).length}\r\n${arg}\r\n`;
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
