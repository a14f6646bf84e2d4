// P1: produce from NDJSON against redis-cli --pipe, which gets the same entries as ready-made RESP.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compare, timeFiles } from "./lib/measure.mjs";
import { encodeCommand, mustHave, redis } from "./lib/redis.mjs";

const ENTRIES = 1_000_000;
const KEY = "bench:produce";

/** Start-up and shutdown of both programs count. */
export async function bench(tools) {
  const { redisUrl, redisCli, tmp } = tools;
  const ndjson = join(tmp, "orders.ndjson");
  const resp = join(tmp, "orders.resp");
  writeOrders(ndjson, resp);
  const timed = async (command, input) => {
    await redis(tools, "DEL", KEY);
    const ms = await timeFiles(command, { input });
    await mustHave(tools, KEY, ENTRIES);
    return ENTRIES / (ms / 1_000);
  };
  await compare(tools, {
    id: "P1",
    name: "produce NDJSON, against redis-cli --pipe of ready-made RESP",
    now: 0.85,
    further: 1,
    unit: "entries/s",
    ours: (streamctl) => timed([...streamctl, "produce", KEY, "-u", redisUrl, "-q"], ndjson),
    peer: () => timed([redisCli, "-u", redisUrl, "--pipe"], resp),
  });
  await redis(tools, "DEL", KEY);
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
      commands += encodeCommand(["XADD", KEY, "*", ...Object.entries(order).flat()]);
    }
    writeSync(ndjson, lines);
    writeSync(resp, commands);
  }
  closeSync(ndjson);
  closeSync(resp);
}
