// P9: the lag of many groups, against redis-cli sending the XINFO calls for it and not looking at the replies.
import { compare, run } from "./lib/measure.mjs";
import { pipe, redis } from "./lib/redis.mjs";

const STREAMS = 1_000;
const GROUPS = ["billing", "shipping", "audit"];
const ENTRIES = 20;

export async function bench(tools) {
  const names = Array.from({ length: STREAMS }, (_, n) => `bench:lag:${n}`);
  await pipe(tools, names.flatMap(fill));
  const questions = names.flatMap((name) => [`XINFO STREAM ${name}`, `XINFO GROUPS ${name}`]);
  const lag = async (streamctl, what) => {
    const [node, ...bin] = streamctl;
    return (await run(node, [...bin, "lag", what, "-u", tools.redisUrl])).ms;
  };
  await compare(tools, {
    id: "P9",
    name: `lag of ${STREAMS} streams × ${GROUPS.length} groups beyond that of one, against redis-cli --pipe of the XINFO calls`,
    now: 5,
    further: 3,
    atMost: true,
    unit: "ms",
    pairs: 9,
    // Both sides count what a thousand streams take beyond what one does, so that neither start counts.
    ours: async (streamctl) => (await lag(streamctl, "bench:lag:*")) - (await lag(streamctl, "bench:lag:1")),
    peer: async () => (await pipe(tools, questions)).ms - (await pipe(tools, questions.slice(0, 2))).ms,
  });
  await redis(tools, "DEL", ...names);
}

/** Entries, and groups that have read some, all and nothing of them. */
function fill(name) {
  const entries = Array.from(
    { length: ENTRIES },
    (_, n) => `XADD ${name} ${n + 1}-0 orderId ${n} payload ${"x".repeat(80)}`,
  );
  const groups = GROUPS.map((group) => `XGROUP CREATE ${name} ${group} 0`);
  const reads = [5, ENTRIES].map(
    (count, n) => `XREADGROUP GROUP ${GROUPS[n]} c COUNT ${count} STREAMS ${name} >`,
  );
  return [...entries, ...groups, ...reads];
}
