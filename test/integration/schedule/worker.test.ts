import { expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { killedMidway } from "../../support/midway.ts";
import { Proxy } from "../../support/proxy.ts";
import { readPage } from "../../support/pages.ts";
import { lastingPort } from "../../support/ports.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { drain, scratchDir, startWorker } from "../../support/worker.ts";

/** Schedules entries with n = 0, 1, …. */
async function schedule(stream: string, count: number, ...when: string[]): Promise<void> {
  const stdin = Array.from({ length: count }, (_, n) => `{"n":${n}}\n`).join("");
  expect((await cli(["produce", stream, ...when], { stdin })).code).toBe(0);
}

/** How long after its time each entry with the field "at" was added, in ms by the server's clock. */
async function lateness(stream: string): Promise<number[]> {
  const rows = await rawRedis().xrange(stream, "-", "+");
  return rows.map(([id, fields]) => Number(id.split("-")[0]) - Number(fields[1]));
}

test("a worker adds what comes due, never early, and runs it", async () => {
  const stream = uniqueKey();
  const [seconds, micros] = await rawRedis().time();
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  const times = Array.from({ length: 40 }, (_, n) => now + n * 37);
  const worker = startWorker(stream, 'echo "$STREAMCTL_ID"');
  const stdin = times.map((at) => `{"at":${at}}\n`).join("");
  expect((await cli(["produce", stream, "--delay-field", "at"], { stdin })).code).toBe(0);
  await until("all have run", () => worker.stdout.split("\n").length > times.length);
  const late = await lateness(stream);
  expect(late).toHaveLength(times.length);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  expect(await rawRedis().exists(`${stream}:scheduled`)).toBe(0);
});

test("--until-empty works on what was overdue when it began", async () => {
  const stream = uniqueKey();
  await schedule(stream, 3, "--delay", "0");
  const run = await drain(stream, "cat");
  expect(run.stdout.match(/"n":"\d"/g)).toEqual(['"n":"0"', '"n":"1"', '"n":"2"']);
});

test("several workers add each entry once, also when the reply of a step is lost", async () => {
  const stream = uniqueKey();
  const count = 1_000;
  const proxy = await Proxy.start();
  const struck = proxy.loseReplyTo(`\r\n${stream}:scheduled:entries\r\n`);
  await schedule(stream, count, "--at", "2020-01-01T00:00:00Z");
  startWorker(stream, "true", [], { url: proxy.url });
  await struck;
  startWorker(stream, "true");
  startWorker(stream, "true");
  const redis = rawRedis();
  await until("nothing is scheduled any more", async () => (await redis.exists(`${stream}:scheduled`)) === 0);
  const rows = await redis.xrange(stream, "-", "+");
  const values = rows.map(([, fields]) => Number(fields[1])).sort((a, b) => a - b);
  expect(values).toEqual(Array.from({ length: count }, (_, n) => n));
});

test("a paused or missing handler is no matter: what is due is added for other groups, too", async () => {
  const stream = uniqueKey();
  await schedule(stream, 1, "--delay", "0");
  startWorker(stream, "exit 1");
  const other = await until("it is there", async () => {
    const run = await cli(["consume", stream, "-g", "other", "--create-group", "--until-empty"]);
    return run.stdout.includes('"n":"0"');
  });
  expect(other).toBe(true);
});

test("without the right to the schedule a worker says so once and goes on", async () => {
  const stream = uniqueKey();
  const redis = rawRedis();
  const { url } = await userWith(redis, [`~${stream}`, `~${stream}:dlq`, ...(await workerRights(redis))]);
  await schedule(stream, 1, "--delay", "0");
  await redis.xadd(stream, "*", "n", "1");
  const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', [], { url });
  await until("it works", () => worker.stdout !== "");
  const next = await redis.xadd(stream, "*", "n", "2");
  await until("it goes on", () => worker.stdout.includes(String(next)));
  expect(worker.stderr.match(/what is scheduled is left to others/g)).toHaveLength(1);
  expect(await redis.xlen(stream)).toBe(2);
});

test("with the rights of docs/permissions.md it adds what is due; without one of them nothing is added and not scheduled any more", async () => {
  const redis = rawRedis();
  const page = await readPage("docs/permissions.md");
  const [, row = ""] = /^\| to add what is scheduled\s*\|[^|]*\|([^|;]*);/m.exec(page) ?? [];
  const asked = row.match(/\+\w+/g) ?? [];
  const rights = [...(await workerRights(redis)), ...asked];
  const keys = (stream: string): string[] =>
    ["", ":dlq", ":scheduled", ":scheduled:entries"].map((suffix) => `~${stream}${suffix}`);
  expect(asked.length).toBeGreaterThan(5);
  for (const missing of [undefined, "+xadd", ...asked]) {
    const stream = uniqueKey();
    const held = rights.filter((right) => right !== missing);
    const { url } = await userWith(redis, [...keys(stream), ...held]);
    await schedule(stream, 1, "--delay", "0");
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    const run = await cli(["consume", stream, "-g", "g", "--exec", "true", "--until-empty"], { url });
    expect(run.code).toBe(0);
    const where = [await redis.xlen(stream), await redis.zcard(`${stream}:scheduled`)];
    expect([missing, ...where]).toEqual(missing === undefined ? [missing, 1, 0] : [missing, 0, 1]);
  }
});

async function ownServer(): Promise<SandboxServer> {
  const server = await SandboxServer.start({ executable: inject("redisExecutable") });
  onTestFinished(() => server.stop());
  return server;
}

test("out of memory it waits, says so once, and adds what is due when there is room", async () => {
  const { url } = await ownServer();
  const stream = uniqueKey();
  const redis = rawRedis(url);
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', [], { url });
  await until("it runs", () => worker.stderr.includes("working on"));
  expect((await cli(["produce", stream, "n=1", "--delay", "1h"], { url })).code).toBe(0);
  const [token = ""] = await redis.zrange(`${stream}:scheduled`, "0", "-1");
  // It comes due in the moment in which memory runs out.
  await redis.multi().zadd(`${stream}:scheduled`, 1, token).config("SET", "maxmemory", "1").exec();
  const waits = /what is scheduled waits: Redis is out of memory/g;
  await until("it says so", () => worker.stderr.match(waits));
  expect(await redis.xlen(stream)).toBe(0);
  await redis.config("SET", "maxmemory", "0");
  await until("it runs", () => worker.stdout !== "");
  await until("it says that, too", () => worker.stderr.includes("what is scheduled is added again"));
  expect(worker.stderr.match(waits)).toHaveLength(1);
});

test("a server that is killed and comes back has lost and doubled nothing", async () => {
  const dir = await scratchDir();
  const options = {
    executable: inject("redisExecutable"),
    dir,
    port: await lastingPort(),
    args: ["--appendonly", "yes", "--appendfsync", "always"],
  };
  const stream = uniqueKey();
  const first = await SandboxServer.start(options);
  const proxy = await Proxy.start(first.url);
  const count = 500;
  const stdin = Array.from({ length: count }, (_, n) => `{"n":${n}}\n`).join("");
  await cli(["produce", stream, "--delay", "0"], { stdin, url: first.url });
  const struck = proxy.holdReplyTo(`\r\n${stream}:scheduled:entries\r\n`);
  startWorker(stream, "true", [], { url: proxy.url });
  await struck;
  await first.stop();
  proxy.release();
  const second = await SandboxServer.start(options);
  onTestFinished(() => second.stop());
  const redis = rawRedis(second.url);
  await until("nothing is scheduled any more", async () => (await redis.exists(`${stream}:scheduled`)) === 0);
  const values = (await redis.xrange(stream, "-", "+")).map(([, fields]) => Number(fields[1]));
  expect(values).toEqual(Array.from({ length: count }, (_, n) => n));
});

test("workers that are killed midway have added each entry once", async () => {
  const stream = uniqueKey();
  const redis = rawRedis();
  const count = 2_000;
  await schedule(stream, count, "--delay", "0");
  const argv = ["consume", stream, "-g", "g", "--create-group", "--exec", "true"];
  for (const least of [1, count / 2])
    await killedMidway(argv, async () => (await redis.xlen(stream)) >= least);
  startWorker(stream, "true");
  await until("nothing is scheduled any more", async () => (await redis.exists(`${stream}:scheduled`)) === 0);
  const values = (await redis.xrange(stream, "-", "+")).map(([, fields]) => Number(fields[1]));
  expect(values).toEqual(Array.from({ length: count }, (_, n) => n));
});
