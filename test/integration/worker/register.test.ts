import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { groupName } from "../../../src/entry/names.ts";
import { registerWorker, type WorkerNote, workersOf } from "../../../src/redis/ops/register.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { fill, scratchDir, startWorker } from "../../support/worker.ts";

const G = groupName("g");
const NOTE: WorkerNote = {
  host: "elsewhere",
  pid: 7,
  version: "1.0.0",
  upMs: 1_000,
  running: 0,
  runningMs: null,
  ratePerSecond: 0,
  lastError: null,
  lastErrorMs: null,
};

async function consumers(stream: string): Promise<Record<string, unknown>[]> {
  return ndjson((await cli(["group", "consumers", stream, "-g", "g"])).stdout);
}

test("a worker is shown with what it runs, as long as it lives", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const dir = await scratchDir();
  await fill(redis, stream, 1);
  const run = startWorker(stream, `until test -e ${dir}/go; do sleep 0.05; done`);
  const shown = await until("it runs", async () => {
    const [row] = await consumers(stream).catch(() => []);
    return row?.["running"] === 1 ? row : undefined;
  });
  expect(shown).toMatchObject({
    host: expect.stringMatching(/./),
    pid: process.pid,
    version: expect.stringMatching(/^\d+\./),
    startedAt: expect.stringMatching(/Z$/),
    runningSince: expect.stringMatching(/Z$/),
    ratePerSecond: 0,
    lastError: null,
    lastErrorAt: null,
    workers: 1,
  });
  expect(await redis.pttl(`${stream}:workers:g`)).toBeGreaterThan(0);
  const table = (await cli(["group", "consumers", stream, "-g", "g", "-o", "table"])).stdout;
  expect(table).toMatch(/WORKER +RUNNING/);
  expect(table).toMatch(/:\d+ +1 since \d{4}-/);
  run.signal("SIGTERM");
  await writeFile(`${dir}/go`, "");
  expect((await run.done).code).toBe(0);
  expect(await redis.exists(`${stream}:workers:g`)).toBe(0);
});

test("what failed last is shown, cut where it is long, and without what the entry holds", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xadd(stream, "*", "secret", "s3cret");
  const answer = `while read -r line; do echo "retry ${"x".repeat(300)}"; done`;
  startWorker(stream, answer, ["--persistent", "--retry-delay", "1h", "--retry-max-delay", "1h"]);
  const row = await until("it has written so", async () => {
    const [found] = await consumers(stream).catch(() => []);
    return found?.["lastError"] ? found : undefined;
  });
  expect(row["lastError"]).toMatch(/^x{199}…$/);
  expect(row["lastErrorAt"]).toMatch(/Z$/);
  expect((await redis.hvals(`${stream}:workers:g`)).join("")).not.toContain("s3cret");
});

test("--no-register writes nothing, and a consumer without a worker's word has none", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  startWorker(stream, "true", ["--no-register"]);
  const row = await until("it is there", async () => (await consumers(stream).catch(() => []))[0]);
  expect(row).toMatchObject({ host: null, pid: null, running: null, workers: 0 });
  expect(await redis.exists(`${stream}:workers:g`)).toBe(0);
  const table = (await cli(["group", "consumers", stream, "-g", "g", "-o", "table"])).stdout;
  expect(table).not.toContain("WORKER");
});

test("a user who may not write there works all the same, and says so once with -v", async () => {
  const redis = rawRedis();
  const [stream, other] = [uniqueKey(), uniqueKey()];
  for (const key of [stream, other]) await fill(redis, key, 1);
  const keys = [stream, other].flatMap((key) => [`~${key}`, `~${key}:dlq`]);
  const { url } = await userWith(redis, [...keys, ...(await workerRights(redis))]);
  const line = ["consume", stream, other, "-g", "g", "--create-group", "--until-empty", "--exec", "true"];
  const quiet = await cli(line, { url });
  expect(quiet.code, quiet.stderr).toBe(0);
  expect(quiet.stderr).not.toContain("not shown by group consumers");
  for (const key of [stream, other]) await fill(redis, key, 1);
  const said = await cli([...line.slice(0, 1), "-v", ...line.slice(1)], { url });
  expect(said.stderr).toContain("2 ok");
  expect(said.stderr.match(/not shown by group consumers/g)).toHaveLength(1);
});

test("what dead workers have written goes at the writes of others, and of a name no more than some are kept", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const connection = await openConnection();
  const write = (consumer: string, run: string, lastsMs: number): Promise<unknown> =>
    registerWorker(connection, stream, { group: G, consumer }, { run, lastsMs, note: NOTE, cursor: "0" });
  for (let n = 0; n < 5; n++) await write(`dead-${n}`, `run-${n}`, 1);
  await until("their time is over", async () => {
    await write("alive", "run", 60_000);
    return (await redis.hlen(`${stream}:workers:g`)) === 1;
  });
  for (let n = 0; n < 40; n++) await write("alive", `of-many-${n}`, 60_000);
  const lines = (await redis.hget(`${stream}:workers:g`, "alive"))?.split("\n") ?? [];
  expect(lines.length).toBeLessThanOrEqual(16);
  expect(lines.at(-1)).toMatch(/^of-many-39 /);
  expect((await workersOf(connection, stream, G, async () => Date.now()))?.get("alive")?.length).toBe(
    lines.length,
  );
});

test("a run that begins again under its name is not taken for two workers, two that live are", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  await redis.xgroup("CREATE", stream, "g", "0");
  await redis.xreadgroup("GROUP", "g", "w", "COUNT", 1, "STREAMS", stream, ">");
  const connection = await openConnection();
  const write = (run: string) =>
    registerWorker(
      connection,
      stream,
      { group: G, consumer: "w" },
      { run, lastsMs: 60_000, note: { ...NOTE, host: run }, cursor: "0" },
    );
  await write("first");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await write("second")).namesakes).toEqual([]);
  expect(await consumers(stream)).toMatchObject([{ host: "second", workers: 1 }]);
  const doctor = async () =>
    ndjson((await cli(["doctor", stream])).stdout).filter(({ check }) => check === "shared-consumer");
  expect(await doctor()).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await write("first");
  expect((await write("second")).namesakes).toMatchObject([{ host: "first" }]);
  expect(await consumers(stream)).toMatchObject([{ host: "second", workers: 2 }]);
  expect(await doctor()).toMatchObject([
    {
      severity: "warning",
      consumer: "w",
      evidence: expect.stringMatching(
        /^2 workers work by that name at one time: pid 7 on first, pid 7 on second$/,
      ),
    },
  ]);
});

test("a worker warns once of another that lives and has its name", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const connection = await openConnection();
  const run = startWorker(stream, "true", ["--consumer", "w"]);
  await until("it has written", () => redis.exists(`${stream}:workers:g`));
  const request = { run: "other", lastsMs: 60_000, note: NOTE, cursor: "0" };
  await until("it warns", async () => {
    await registerWorker(connection, stream, { group: G, consumer: "w" }, request);
    return run.stderr.includes("another worker of group g");
  });
  expect(run.stderr).toContain("works as w, too (pid 7 on elsewhere)");
});
