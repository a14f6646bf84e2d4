import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { fill, scratchDir, workerArgv } from "../support/worker.ts";

const HANDLER = "touch begun; sleep 0.4; echo run >> runs; touch finished";
const LOOP = `while read -r l; do ${HANDLER}; echo ok; done`;

const WAYS: readonly (readonly [string, readonly string[]])[] = [
  ["in a waiting shell", ["--exec", HANDLER]],
  ["as a program", ["--", "/bin/sh", "-c", HANDLER]],
  ["for a batch in a waiting shell", ["--batch", "1", "--exec", HANDLER]],
  ["for a batch as a program", ["--batch", "1", "--", "/bin/sh", "-c", HANDLER]],
  ["in a persistent command", ["--persistent", "--exec", LOOP]],
];

/** Longer than a slow machine takes to begin: so all ways wait for it side by side. */
const TIMEOUT_MS = 5_000;

test("what a handler did while its worker stood still for longer than --timeout counts, in every way of running it", async () => {
  const redis = rawRedis();
  const dirs = await Promise.all(WAYS.map(() => scratchDir()));
  const standingStill = async ([way, how]: (typeof WAYS)[number], cwd: string): Promise<void> => {
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const times = ["--claim-idle", "10m", "--timeout", `${TIMEOUT_MS}ms`];
    const argv = workerArgv(stream, "", "--until-empty", ...times);
    const run = new BinRun([...argv.slice(0, -2), ...how], { cwd });
    await until(`it is begun ${way}`, () => existsSync(`${cwd}/begun`));
    const begunAt = Date.now();
    run.signal("SIGSTOP");
    await until(`it is finished ${way}`, () => existsSync(`${cwd}/finished`));
    await until("its time is over", () => Date.now() > begunAt + TIMEOUT_MS + 200);
    run.signal("SIGCONT");
    expect((await run.done).stderr, way).toContain("1 ok, 0 dead-lettered, 0 retried");
    expect(await readFile(`${cwd}/runs`, "utf8"), way).toBe("run\n");
  };
  await Promise.all(WAYS.map((way, n) => standingStill(way, dirs[n] as string)));
});
