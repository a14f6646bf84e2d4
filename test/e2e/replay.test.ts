import { describe, expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { killedMidway } from "../support/midway.ts";
import { rawRedis, until } from "../support/redis.ts";
import { longQueue, numbersIn, upTo } from "../integration/dlq/support.ts";

const ENTRIES = 20_000;
const FEWER = 5_000;

/**
 * Runs it again and again: killed the first time when it, or another run, has moved something and it waits for a reply,
 * then each time when a random part more has been `replayed`, until a run comes to its end.
 */
async function killedUntilDone(
  argv: readonly string[],
  count: number,
  replayed: () => Promise<number>,
): Promise<void> {
  await killedMidway(argv, async () => (await replayed()) > 0);
  for (let kills = 1; ; kills++) {
    const run = new BinRun(argv);
    const enough = (await replayed()) + 1 + Math.random() * (count / 4);
    let ended = false;
    void run.done.then(() => (ended = true));
    if (kills < 12) await until("it is time", async () => ended || (await replayed()) >= enough);
    if (kills < 12) run.signal("SIGKILL");
    const { code, signal, stderr } = await run.done;
    if (signal !== null) continue;
    expect(code, stderr).toBe(0);
    return;
  }
}

describe("dlq replay killed with SIGKILL at random moments", () => {
  test.each<[string, string[]]>([
    ["--all", ["--all"]],
    ["letter by letter", ["--all", "--layout", "native"]],
    ["--to", ["--reason", "~exit", "--to", "TARGET"]],
    ["--keep", ["--all", "--keep"]],
    ["--rate", ["--all", "--rate", "20k/s"]],
  ])("%s: 20,000 entries, two runs at once, each arrives once", async (_, flags) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dlq = `${stream}:dlq`;
    const target = flags.includes("--to") ? uniqueKey("target") : stream;
    await longQueue(redis, ENTRIES, { stream, dlq });
    const argv = ["dlq", "replay", stream, ...flags.map((flag) => (flag === "TARGET" ? target : flag))];
    await Promise.all([1, 2].map(() => killedUntilDone(argv, ENTRIES, () => redis.xlen(target))));
    expect((await numbersIn(redis, target)).toSorted((a, b) => a - b)).toEqual(upTo(ENTRIES));
    expect(await redis.xlen(dlq)).toBe(flags.includes("--keep") ? ENTRIES : 0);
  });

  test.each<[string, string[]]>([
    ["--all", ["--all"]],
    ["--keep", ["--all", "--keep"]],
  ])(
    "%s: what still stands in the stream comes back to its group once, and to no other",
    async (_, flags) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      const dlq = `${stream}:dlq`;
      await longQueue(redis, FEWER, { stream, dlq });
      const originals = redis.pipeline();
      for (let n = 0; n < FEWER; n++) originals.xadd(stream, `${n + 1}-0`, "n", String(n));
      for (const group of ["billing", "audit"]) originals.xgroup("CREATE", stream, group, "$");
      await originals.exec();
      const argv = ["dlq", "replay", stream, ...flags];
      const settled: string[] = [];
      // A worker of the group: an entry that came back twice would be acked twice.
      const settle = async (): Promise<number> => {
        const rows = (await redis.xpending(stream, "billing", "-", "+", 5_000)) as [string][];
        const acks = redis.pipeline();
        for (const [id] of rows) acks.xack(stream, "billing", id);
        const answers = (await acks.exec()) ?? [];
        rows.forEach(([id], at) => answers[at]?.[1] === 1 && settled.push(id));
        return settled.length;
      };
      await Promise.all([1, 2].map(() => killedUntilDone(argv, FEWER, settle)));
      await until("all is settled", async () => (await settle()) >= FEWER);
      expect(settled).toHaveLength(FEWER);
      expect(new Set(settled).size).toBe(FEWER);
      expect(await redis.xlen(stream)).toBe(FEWER);
      expect(await redis.xreadgroup("GROUP", "audit", "x", "STREAMS", stream, ">")).toBeNull();
      expect(await redis.xlen(dlq)).toBe(flags.includes("--keep") ? FEWER : 0);
    },
  );
});
