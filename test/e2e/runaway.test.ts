import { describe, expect, test } from "vitest";
import { bin, BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { letterRecord } from "../integration/dlq/support.ts";

/** Tries every way to cut the text into pieces: more than there is time for. */
const RUNAWAY = "^(a+)+$";
const TEXT = `${"a".repeat(60)}!`;

describe("a regular expression that runs away", () => {
  test.each([
    ["dlq list --reason", ["dlq", "list", "KEY", "--reason", `~${RUNAWAY}`], "KEY:dlq 2-1"],
    ["dlq purge --where", ["dlq", "purge", "KEY", "--where", `a!~${RUNAWAY}`, "-y"], "KEY:dlq 2-1"],
    ["consume -f --where", ["consume", "KEY", "-f", "--from", "-", "--where", `a~${RUNAWAY}`], "KEY 2-0"],
  ])("%s ends, and names what it was", async (_, argv, place) => {
    const redis = rawRedis();
    const key = uniqueKey();
    for (const [n, text] of ["b", TEXT, "aa"].entries()) {
      const fields = [Buffer.from("a"), Buffer.from(text)];
      await redis.xadd(key, `${n + 1}-0`, ...fields);
      await redis.xadd(
        `${key}:dlq`,
        `${n + 1}-1`,
        ...letterRecord(key, n, { fields, reason: text }, new Date()),
      );
    }
    const { code, stderr } = await bin(argv.map((arg) => arg.replace("KEY", key)));
    expect(code).toBe(1);
    expect(stderr).toContain(`the regular expression runs away on ${place.replace("KEY", key)}`);
    expect(await redis.xlen(`${key}:dlq`)).toBe(3);
  });

  test("slow on every entry, and yet Ctrl-C ends it", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    // Some 100 ms each.
    for (let n = 0; n < 500; n++) await redis.xadd(key, "*", "a", `${"a".repeat(23)}!`);
    const run = new BinRun(["consume", key, "--where", `a!~${RUNAWAY}`, "-v"]);
    await until("it reads", async () => (await redis.client("LIST")) && (await busy(run.pid)));
    run.signal("SIGINT");
    expect((await run.done).code).toBe(130);
  });
});

/** Whether a process has used a second of processor time. */
async function busy(pid: number): Promise<boolean> {
  const { readFile } = await import("node:fs/promises");
  const stat = (await readFile(`/proc/${pid}/stat`, "utf8")).split(" ");
  return Number(stat[13]) >= 100;
}
