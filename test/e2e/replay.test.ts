import { describe, expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { longQueue, numbersIn, type Raw, upTo } from "../integration/dlq/support.ts";

const ENTRIES = 20_000;

/**
 * Runs it again and again, killed each time when a random part more has arrived in `target`, until a run
 * comes to its end; how often it was killed.
 */
async function killedUntilDone(redis: Raw, argv: readonly string[], target: string): Promise<number> {
  for (let kills = 0; ; kills++) {
    const run = new BinRun(argv);
    const enough = (await redis.xlen(target)) + 1 + Math.random() * (ENTRIES / 4);
    let ended = false;
    void run.done.then(() => (ended = true));
    if (kills < 12) await until("it is time", async () => ended || (await redis.xlen(target)) >= enough);
    if (kills < 12) run.signal("SIGKILL");
    const { code, signal, stderr } = await run.done;
    if (signal !== null) continue;
    expect(code, stderr).toBe(0);
    return kills;
  }
}

describe("dlq replay killed with SIGKILL at random moments", () => {
  test.each<[string, string[]]>([
    ["--all", ["--all"]],
    ["letter by letter", ["--all", "--layout", "native"]],
    ["--to", ["--reason", "exit", "--to", "TARGET"]],
    ["--keep", ["--all", "--keep"]],
    ["--rate", ["--all", "--rate", "20k/s"]],
  ])("%s: 20,000 entries, two runs at once, each arrives once", async (_, flags) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dlq = `${stream}:dlq`;
    const target = flags.includes("--to") ? uniqueKey("target") : stream;
    await longQueue(redis, ENTRIES, { stream, dlq });
    const argv = ["dlq", "replay", stream, ...flags.map((flag) => (flag === "TARGET" ? target : flag))];
    const kills = await Promise.all([1, 2].map(() => killedUntilDone(redis, argv, target)));
    expect(Math.max(...kills)).toBeGreaterThan(0);
    expect((await numbersIn(redis, target)).toSorted((a, b) => a - b)).toEqual(upTo(ENTRIES));
    expect(await redis.xlen(dlq)).toBe(flags.includes("--keep") ? ENTRIES : 0);
  });
});
