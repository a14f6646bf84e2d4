import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { DurableServer } from "../../support/chaos/durable-server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { ask, metricsUrl, scrape } from "../../support/http.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { fill, linesOf, pendingIn, scratchDir, startWorker, workerArgv } from "../../support/worker.ts";

const PAUSED = /group g is paused on/;
const saidPausedFor = (run: CliRun, group: string): Promise<boolean> =>
  until("it says that the group is paused", () => run.stderr.includes(`group ${group} is paused on`));
const GOES_ON = /its pause is over/;

const pause = async (stream: string, ...more: string[]): Promise<void> => {
  const result = await cli(["group", "pause", stream, "g", ...more]);
  expect(result.code, result.stderr).toBe(0);
};
const resume = async (stream: string): Promise<void> => {
  expect((await cli(["group", "resume", stream, "g"])).code).toBe(0);
};
const saidPaused = (run: CliRun, stream = ""): Promise<boolean> =>
  until("it says that the group is paused", () => PAUSED.test(run.stderr) && run.stderr.includes(stream));

/** All entries there are come to another group of the stream: who takes any has had the time to take these. */
async function drainedByOthers(stream: string): Promise<void> {
  const line = ["consume", stream, "-g", "control", "--create-group", "--until-empty", "--exec", "true"];
  const result = await cli(line);
  expect(result.code, result.stderr).toBe(0);
}

/** How often the pending list was swept and a pause looked for, by this server's count. */
async function calls(redis: ReturnType<typeof rawRedis>): Promise<Map<string, number>> {
  const lines = (await redis.info("commandstats")).matchAll(/^cmdstat_(\S+):calls=(\d+)/gm);
  return new Map([...lines].map(([, name = "", count]) => [name, Number(count)]));
}

describe("a worker whose group is paused", () => {
  test("takes nothing new until it is resumed, and says so once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const run = startWorker(stream, `echo run >> ${dir}/runs`);
    await fill(redis, stream, 1);
    await until("it works", async () => (await linesOf(`${dir}/runs`)).length === 1);
    await pause(stream, "--reason", "deploy");
    await saidPaused(run);
    await fill(redis, stream, 20);
    await drainedByOthers(stream);
    expect(await linesOf(`${dir}/runs`)).toHaveLength(1);
    expect(await pendingIn(redis, stream)).toBe(0);
    await resume(stream);
    await until("it goes on", async () => (await linesOf(`${dir}/runs`)).length === 21);
    expect(run.stderr.match(new RegExp(PAUSED, "g"))).toHaveLength(1);
    expect(run.stderr.match(new RegExp(GOES_ON, "g"))).toHaveLength(1);
    expect(run.stderr).toMatch(/paused on \S+, since \S+ by \S+@\S+ until it is resumed: deploy/);
  });

  test("goes on by itself when the time is over", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const run = startWorker(stream, `echo run >> ${dir}/runs`);
    await until("its group is there", () => redis.exists(stream));
    await pause(stream, "--for", "1500ms");
    await saidPaused(run);
    await fill(redis, stream, 3);
    await until("it goes on", async () => (await linesOf(`${dir}/runs`)).length === 3);
    expect(run.stderr).toMatch(GOES_ON);
  });

  test("takes nothing when it starts, is ready and healthy, and stops cleanly", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 3);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const run = startWorker(stream, `echo run >> ${dir}/runs`, ["--metrics-port", "0"]);
    await saidPaused(run);
    const at = await until("it listens", () => metricsUrl(run));
    await until("it is ready", async () => (await ask(`${at}/readyz`)).status === 200);
    expect((await ask(`${at}/healthz`)).status).toBe(200);
    await until("it has looked at its lag", async () => {
      const value = (await scrape(at)).value("streamctl_group_paused", { stream, group: "g" });
      return value === 1;
    });
    await drainedByOthers(stream);
    run.signal("SIGTERM");
    const { code, stderr } = await run.done;
    expect(code).toBe(0);
    expect(stderr).toContain("0 ok");
    expect(await linesOf(`${dir}/runs`)).toEqual([]);
  });

  test("takes no retry and nothing of dead workers, though both are due", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const ids = await fill(redis, stream, 4);
    await redis.xgroup("CREATE", stream, "g", "0");
    // Two of a dead worker.
    await redis.xreadgroup("GROUP", "g", "dead", "COUNT", 2, "STREAMS", stream, ">");
    await redis.xclaim(stream, "g", "dead", 0, ids[0] as string, ids[1] as string, "IDLE", 60_000);
    await pause(stream);
    const failing = `echo run >> ${dir}/runs; exit 1`;
    const run = startWorker(stream, failing, ["--retry-delay", "1s", "--retry-max-delay", "1s"]);
    await saidPaused(run);
    await drainedByOthers(stream);
    expect(await linesOf(`${dir}/runs`)).toEqual([]);
    await resume(stream);
    await until("all have failed once", async () => (await linesOf(`${dir}/runs`)).length >= 4);
    await pause(stream);
    await until("it says so again", () => run.stderr.match(new RegExp(PAUSED, "g"))?.length === 2);
    await until("nothing runs", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
      return rows.length === 4 && rows.every(([, , idle]) => idle > 0);
    });
    const before = (await linesOf(`${dir}/runs`)).length;
    await until("all retries are due", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
      return rows.every(([, , idle]) => idle > 1_500);
    });
    expect(await linesOf(`${dir}/runs`)).toHaveLength(before);
    await resume(stream);
    await until("they are retried", async () => (await linesOf(`${dir}/runs`)).length > before);
  });

  test("finishes what runs, settles it, and hands back what waits for its batch", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const hold = `echo run >> ${dir}/runs; until test -e ${dir}/go; do sleep 0.05; done; cat > /dev/null`;
    const run = startWorker(stream, hold, ["--batch", "2", "--batch-wait", "1h", "--claim-idle", "1m"]);
    await fill(redis, stream, 2);
    await until("a batch runs", async () => (await linesOf(`${dir}/runs`)).length === 1);
    await fill(redis, stream, 1);
    await pause(stream);
    await saidPaused(run);
    await writeFile(`${dir}/go`, "");
    await until("what ran is settled", async () => (await pendingIn(redis, stream)) <= 1);
    await resume(stream);
    await fill(redis, stream, 1);
    await until("the rest is done", async () => (await linesOf(`${dir}/runs`)).length === 2);
    await until("all is settled", async () => (await pendingIn(redis, stream)) === 0);
  });

  test("hands an entry back at once that waits for others of its batch: any worker may take it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const run = startWorker(stream, "cat > /dev/null", [
      "--batch",
      "2",
      "--batch-wait",
      "1h",
      "--claim-idle",
      "1m",
    ]);
    await fill(redis, stream, 1);
    await until("it waits for another", async () => (await pendingIn(redis, stream).catch(() => 0)) === 1);
    await pause(stream);
    await saidPaused(run);
    await until("it is handed back, uncounted", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
      return rows.every(([, , idle, count]) => idle >= 60_000 && count === 0);
    });
    expect(run.stderr).not.toMatch(/failed/);
  });

  test("with --order-by starts no next entry of a key", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const hold = `echo run >> ${dir}/runs; until test -e ${dir}/go; do sleep 0.05; done`;
    const run = startWorker(stream, hold, ["--order-by", "k", "-j", "4"]);
    for (let n = 0; n < 3; n++) await redis.xadd(stream, "*", "k", "a", "n", String(n));
    await until("the first runs", async () => (await linesOf(`${dir}/runs`)).length === 1);
    await pause(stream);
    await saidPaused(run);
    await writeFile(`${dir}/go`, "");
    await until("the first is settled", async () => (await pendingIn(redis, stream)) === 2);
    await drainedByOthers(stream);
    expect(await linesOf(`${dir}/runs`)).toHaveLength(1);
    await resume(stream);
    await until("the others follow", async () => (await linesOf(`${dir}/runs`)).length === 3);
    await until("all is settled", async () => (await pendingIn(redis, stream)) === 0);
  });

  test("works on streams on which it is not paused, and waits quietly for the other", async () => {
    const redis = rawRedis();
    const [paused, open] = [uniqueKey(), uniqueKey()];
    const dir = await scratchDir();
    await fill(redis, paused, 1);
    const argv = workerArgv(
      paused,
      `echo $STREAMCTL_STREAM >> ${dir}/runs; exit 1`,
      "--retry-max-delay",
      "20ms",
    );
    argv.splice(2, 0, open);
    const run = new CliRun(argv);
    try {
      await until("it works", async () => (await linesOf(`${dir}/runs`)).includes(paused));
      await pause(paused);
      await saidPaused(run, paused);
      const before = (await linesOf(`${dir}/runs`)).filter((stream) => stream === paused).length;
      await fill(redis, open, 5);
      await until("the other is worked on", async () => {
        return (await linesOf(`${dir}/runs`)).filter((stream) => stream === open).length >= 5;
      });
      expect((await linesOf(`${dir}/runs`)).filter((stream) => stream === paused)).toHaveLength(before);
    } finally {
      run.signal("SIGTERM");
      await run.done;
    }
  });

  test("keeps its consumer, which is heard of", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const run = startWorker(stream, "true");
    await fill(redis, stream, 1);
    await until("it is done", async () => {
      const rows = (await redis.xinfo("CONSUMERS", stream, "g").catch(() => [])) as unknown[];
      return rows.length > 0 && (await pendingIn(redis, stream)) === 0;
    });
    await pause(stream);
    await saidPaused(run);
    const idle = async (): Promise<number> => {
      const [info] = ndjson((await cli(["group", "consumers", stream, "-g", "g"])).stdout);
      return Number(info?.["idleMs"]);
    };
    // Its heart beats every 133 ms, and nothing else is heard of it.
    let last = await idle();
    await until("its idle time has gone back three times", async () => {
      let back = 0;
      for (let n = 0; n < 100 && back < 3; n++) {
        const now = await idle();
        if (now < last) back++;
        last = now;
      }
      return back === 3;
    });
  });

  test.each(["--until-empty", "--idle-exit=1s"])("waits with %s until it is resumed", async (end) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const run = startWorker(stream, `echo run >> ${dir}/runs`, [end]);
    await saidPaused(run);
    await drainedByOthers(stream);
    expect(run.stderr).not.toContain("0 ok");
    await resume(stream);
    const { code, stderr } = await run.done;
    expect(code, stderr).toBe(0);
    expect(await linesOf(`${dir}/runs`)).toHaveLength(2);
  });

  test("ends with --max-runtime", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const run = startWorker(stream, "true", ["--max-runtime", "300ms"]);
    expect((await run.done).code).toBe(0);
    expect(await redis.xlen(stream)).toBe(1);
  });

  test("is not stopped where its user may not see the pause, and says so once", async () => {
    const redis = rawRedis();
    const [stream, other] = [uniqueKey(), uniqueKey()];
    const keys = [stream, other].flatMap((key) => [`~${key}`, `~${key}:dlq`]);
    const { url } = await userWith(redis, [...keys, ...(await workerRights(redis))]);
    for (const key of [stream, other]) {
      await fill(redis, key, 2);
      await redis.xgroup("CREATE", key, "g", "0");
      await pause(key);
    }
    const argv = workerArgv(stream, "true", "--until-empty");
    argv.splice(2, 0, other);
    const { code, stderr } = await cli(argv, { url });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("4 ok");
    expect(stderr.match(/will not stop this run: its user has no right to see one/g)).toHaveLength(1);
  });

  test("looks for it no more often than it sweeps the pending list", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    startWorker(stream, "true", ["--claim-idle", "1m"]);
    await until("it sweeps", () => redis.exists(stream));
    const before = await calls(redis);
    const grown = async (name: string): Promise<number> =>
      ((await calls(redis)).get(name) ?? 0) - (before.get(name) ?? 0);
    await until("it has swept some times", async () => (await grown("xpending")) >= 6);
    // Both go by half a second; one of them may just have begun.
    expect(await grown("mget")).toBeLessThanOrEqual((await grown("xpending")) + 1);
  });
});

describe("a reader whose group is paused", () => {
  test("prints nothing until it is resumed, and ends as it would have", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const run = new CliRun(["consume", stream, "-g", "g", "--create-group", "--count", "6"]);
    await until("it prints", () => ndjson(run.stdout).length === 2);
    await pause(stream);
    await saidPaused(run);
    await fill(redis, stream, 4);
    await drainedByOthers(stream);
    expect(ndjson(run.stdout)).toHaveLength(2);
    expect(await pendingIn(redis, stream)).toBe(0);
    await resume(stream);
    const { code, stdout, stderr } = await run.done;
    expect(code, stderr).toBe(0);
    expect(ndjson(stdout)).toHaveLength(6);
    expect(stderr).toMatch(GOES_ON);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test.each([["--until-empty"], ["--idle-exit", "1s"]])("waits with %s", async (...end) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const run = new CliRun(["consume", stream, "-g", "g", ...end]);
    await saidPaused(run);
    await drainedByOthers(stream);
    expect(run.stdout).toBe("");
    await resume(stream);
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(ndjson(stdout)).toHaveLength(2);
  });

  test("stops at a signal", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const run = new CliRun(["consume", stream, "-g", "g"]);
    await saidPaused(run);
    run.signal("SIGTERM");
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(stdout).toBe("");
  });

  test("prints from a stream on which it is not paused", async () => {
    const redis = rawRedis();
    const [paused, open] = [uniqueKey(), uniqueKey()];
    await fill(redis, paused, 2);
    await fill(redis, open, 2);
    for (const stream of [paused, open]) await redis.xgroup("CREATE", stream, "g", "0");
    await pause(paused);
    const run = new CliRun(["consume", paused, open, "-g", "g", "--until-empty"]);
    await until("the other is printed", () => ndjson(run.stdout).length === 2);
    expect(ndjson(run.stdout).map(({ stream }) => stream)).toEqual([open, open]);
    await resume(paused);
    expect(ndjson((await run.done).stdout)).toHaveLength(4);
  });

  test("is not stopped where its user may not see the pause, and says so once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await pause(stream);
    const rights = "+xreadgroup +xack +xpending +xinfo|groups +ping".split(" ");
    const { url } = await userWith(redis, [`~${stream}`, ...rights]);
    const result = await cli(["consume", stream, "-g", "g", "--until-empty"], { url });
    expect(ndjson(result.stdout), result.stderr).toHaveLength(2);
    expect(result.stderr.match(/will not stop this run/g)).toHaveLength(1);
  });
});

test("a pause survives a restart of Redis, and the workers that wait for its end", async () => {
  const server = await DurableServer.start();
  const stream = uniqueKey();
  const dir = await scratchDir();
  await fill(server.redis, stream, 2);
  await server.redis.xgroup("CREATE", stream, "g", "0");
  expect((await cli(["group", "pause", stream, "g"], { url: server.url })).code).toBe(0);
  const run = startWorker(stream, `echo run >> ${dir}/runs`, [], { url: server.url });
  const reader = new CliRun(["consume", stream, "-g", "h", "--create-group"], { url: server.url });
  await until("the reader prints", () => ndjson(reader.stdout).length === 2);
  expect((await cli(["group", "pause", stream, "h"], { url: server.url })).code).toBe(0);
  await saidPaused(run);
  await saidPausedFor(reader, "h");
  await server.killFor(200);
  // Neither need have noticed more than that its connection was lost.
  await until("worker and reader are connected again", async () => {
    const clients = String(await server.redis.client("LIST"));
    return (clients.match(/name=streamctl/g) ?? []).length >= 2;
  });
  await fill(server.redis, stream, 2);
  const control = ["consume", stream, "-g", "control", "--create-group", "--until-empty", "--exec", "true"];
  expect((await cli(control, { url: server.url })).stderr).toContain("4 ok");
  expect(await linesOf(`${dir}/runs`)).toEqual([]);
  expect(ndjson(reader.stdout)).toHaveLength(2);
  for (const group of ["g", "h"])
    expect((await cli(["group", "resume", stream, group], { url: server.url })).code).toBe(0);
  await until("the worker goes on", async () => (await linesOf(`${dir}/runs`)).length === 4);
  await until("the reader goes on", () => ndjson(reader.stdout).length === 4);
  reader.signal("SIGTERM");
  expect((await reader.done).code).toBe(0);
});

describe("in a cluster", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(() => cluster.stop());

  test("a pause stands in the slot of its stream, and stops workers and readers there alone", async () => {
    const where = ["-u", cluster.url, "--cluster"];
    const [paused, open] = [uniqueKey("one"), uniqueKey("two")];
    for (const stream of [paused, open])
      for (const n of [1, 2]) await cli(["produce", stream, `n=${n}`, ...where]);
    for (const group of ["g", "h"]) await cli(["group", "create", paused, open, group, ...where]);
    for (const group of ["g", "h"])
      expect((await cli(["group", "pause", paused, group, ...where])).code).toBe(0);
    const owner = cluster.ownerOf(keySlot(paused));
    expect(await cluster.on(owner, (redis) => redis.exists(`{${paused}}:paused:g`))).toBe(1);
    const works = ["consume", paused, open, "-g", "g", "--until-empty", ...where];
    const worker = new CliRun([...works, "--exec", "echo $STREAMCTL_STREAM"]);
    const reader = new CliRun(["consume", paused, open, "-g", "h", "--until-empty", ...where]);
    await saidPaused(worker, paused);
    await saidPausedFor(reader, "h");
    await until("the worker works on the other", () => worker.stdout.split("\n").length === 3);
    await until("the reader reads the other", () => ndjson(reader.stdout).length === 2);
    expect(worker.stdout).not.toContain(paused);
    expect(reader.stdout).not.toContain(paused);
    const [row] = ndjson((await cli(["lag", paused, "-g", "g", ...where])).stdout);
    expect(row).toMatchObject({ paused: true, lag: 2 });
    for (const group of ["g", "h"]) await cli(["group", "resume", paused, group, ...where]);
    expect((await worker.done).stdout.split("\n").filter((stream) => stream === paused)).toHaveLength(2);
    expect(ndjson((await reader.done).stdout)).toHaveLength(4);
    await cli(["group", "pause", paused, "g", ...where]);
    expect((await cli(["group", "destroy", paused, "g", "-y", ...where])).code).toBe(0);
    expect(await cluster.on(owner, (redis) => redis.exists(`{${paused}}:paused:g`))).toBe(0);
  });
});
