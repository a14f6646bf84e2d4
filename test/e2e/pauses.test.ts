import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { bin, BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { fill, scratchDir, workerArgv } from "../support/worker.ts";

test("what came to a worker that stood still while its group was paused is not begun when it goes on", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const cwd = await scratchDir();
  const run = new BinRun(workerArgv(stream, "echo run >> runs", "--claim-idle", "1m"), { cwd });
  await fill(redis, stream, 1);
  await until("it works", () => existsSync(`${cwd}/runs`));
  await until("it waits for more", async () => {
    const blocked = (await redis.info("clients")).match(/^blocked_clients:(\d+)/m)?.[1];
    return Number(blocked) > 0;
  });
  run.signal("SIGSTOP");
  await fill(redis, stream, 1);
  expect((await bin(["group", "pause", stream, "g"])).code).toBe(0);
  const pausedAt = Date.now();
  await until("what it has seen is too old", () => Date.now() > pausedAt + 1_100);
  run.signal("SIGCONT");
  await until("it says that the group is paused", () => run.stderr.includes("is paused on"));
  await fill(redis, stream, 2);
  const control = ["consume", stream, "-g", "control", "--create-group", "--until-empty", "--exec", "true"];
  expect((await bin(control)).stderr).toContain("4 ok");
  expect(await readFile(`${cwd}/runs`, "utf8")).toBe("run\n");
  expect((await bin(["group", "resume", stream, "g"])).code).toBe(0);
  await until("it goes on", async () => (await readFile(`${cwd}/runs`, "utf8")) === "run\n".repeat(4));
});

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
