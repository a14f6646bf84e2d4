import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { fill, scratchDir, workerArgv } from "../support/worker.ts";

const HANDLER = "touch begun; sleep 0.4; echo run >> runs; touch finished";
const LOOP = `while read -r l; do ${HANDLER}; echo ok; done`;

test.each([
  ["in a waiting shell", ["--exec", HANDLER]],
  ["as a program", ["--", "/bin/sh", "-c", HANDLER]],
  ["for a batch in a waiting shell", ["--batch", "1", "--exec", HANDLER]],
  ["for a batch as a program", ["--batch", "1", "--", "/bin/sh", "-c", HANDLER]],
  ["in a persistent command", ["--persistent", "--exec", LOOP]],
])("what a handler did while its worker stood still for longer than --timeout counts, %s", async (_, how) => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const cwd = await scratchDir();
  await fill(redis, stream, 1);
  const argv = workerArgv(stream, "", "--until-empty", "--claim-idle", "30s", "--timeout", "1500ms");
  const run = new BinRun([...argv.slice(0, -2), ...how], { cwd });
  await until("it is begun", () => existsSync(`${cwd}/begun`));
  const begunAt = Date.now();
  run.signal("SIGSTOP");
  await until("it is finished", () => existsSync(`${cwd}/finished`));
  await until("its time is over", () => Date.now() > begunAt + 1_700);
  run.signal("SIGCONT");
  expect((await run.done).stderr).toContain("1 ok, 0 dead-lettered, 0 retried");
  expect(await readFile(`${cwd}/runs`, "utf8")).toBe("run\n");
});
