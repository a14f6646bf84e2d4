import type { Redis } from "ioredis";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { closedGate, fill, pendingIn, startWorker } from "../../support/worker.ts";

/** Far longer than a test: what waited for it would be a test that hangs. */
const NEVER_IDLE = ["--claim-idle", "10m"];

/** The worker's own name: the one that was made up for it. */
async function consumerOf(redis: Redis, stream: string): Promise<string> {
  const rows = (await redis.xinfo("CONSUMERS", stream, "g")) as string[][];
  const names = rows.map(([, name]) => String(name)).filter((name) => name !== "ghost");
  expect(names).toHaveLength(1);
  return names[0] as string;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("what is pending under a worker's own name", () => {
  test("a retry that reached Redis late is not run uncounted after a lost connection", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const times = [...NEVER_IDLE, "--retry-delay", "2s", "--retry-max-delay", "2s"];
    const gate = await closedGate();
    const command = `echo "$STREAMCTL_DELIVERIES"; ${gate.wait}; test "$STREAMCTL_DELIVERIES" = 2`;
    const worker = startWorker(stream, command, times, { url: server.url });
    await until("the handler runs", () => worker.stdout === "1\n");
    // The delay passes before the server hears of the failure, and only then begins there.
    await redis.call("CLIENT", "PAUSE", "2400");
    await gate.open();
    await until("the retry is written down", () => worker.stderr.includes("retry in"));
    // Long enough for its own timer to have come too early, not for the delay to pass: at least 1 s.
    await pause(700);
    // Only the connection that reads: the other one is there to ask what is pending.
    const [reader] =
      /^id=(\d+) .*cmd=xreadgroup/m.exec((await redis.client("LIST")) as string)?.slice(1) ?? [];
    await redis.client("KILL", "ID", String(reader));
    await until("it succeeds", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stdout).toBe("1\n2\n");
  });

  test("an entry claimed by hand for a running worker is run by it soon, not only after --claim-idle", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    const [id, first] = (await fill(redis, stream, 2)) as [string, string];
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 1, "STREAMS", stream, ">");
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"', NEVER_IDLE);
    await until("it works", () => worker.stdout === `${first} 1\n`);
    await pause(700);
    expect(worker.stdout).not.toContain(id);
    const claim = ["claim", stream, "-g", "g", id, "--to", await consumerOf(redis, stream)];
    expect(await cli(claim)).toMatchObject({ code: 0 });
    await until("it is run", () => worker.stdout.includes(id));
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stdout).toBe(`${first} 1\n${id} 2\n`);
  });

  test("an entry claimed by hand for a worker that has no place free waits, and is run once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID"; sleep 1.5', NEVER_IDLE);
    await until("its place is taken", () => worker.stdout !== "");
    const consumer = await consumerOf(redis, stream);
    const [id] = await fill(redis, stream, 1);
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 1, "STREAMS", stream, ">");
    await redis.xclaim(stream, "g", consumer, 0, id as string, "JUSTID");
    await until("everything is acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stdout.split(id as string)).toHaveLength(2);
  });

  test("a retry waits for its delay, however often its worker looks at what it has", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const times = [...NEVER_IDLE, "--retry-delay", "4s", "--retry-max-delay", "4s"];
    const began = performance.now();
    const worker = startWorker(stream, 'echo "$STREAMCTL_DELIVERIES"; exit 1', times);
    await until("it is tried again", () => worker.stdout.startsWith("1\n2\n"));
    // Half of it is the least that chance makes of a delay.
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_900);
  });
});

/** What a run with `--consumer twin` had in hand when it was killed. */
async function leaveBehind(redis: Redis, stream: string, count: number): Promise<void> {
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM").catch(() => {});
  await redis.xreadgroup("GROUP", "g", "twin", "COUNT", count, "STREAMS", stream, ">");
}

const RUN = 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"';
const TWIN = [...NEVER_IDLE, "--consumer", "twin"];

describe("a worker with a name of its own that comes back", () => {
  test("takes what its earlier run had in hand at once, and counts it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 5);
    await leaveBehind(redis, stream, 3);
    const worker = startWorker(stream, RUN, TWIN);
    await until(
      "all is done",
      async () => (await pendingIn(redis, stream)) === 0 && worker.stdout.split("\n").length === 6,
    );
    const lines = ids.map((id, n) => `${id} ${n < 3 ? 2 : 1}`);
    expect(worker.stdout.trim().split("\n").toSorted()).toEqual(lines);
    expect(worker.stderr).toContain("going on with what an earlier run of twin had in hand");
  });

  test("takes what was due in its earlier run at once, though its --claim-idle is longer now", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const short = ["--consumer", "twin", "--claim-idle", "500ms", "--retry-delay", "300ms"];
    const first = startWorker(stream, "exit 1", [...short, "--retry-max-delay", "300ms"]);
    await until("it waits for its retry", () => first.stderr.includes("retry in"));
    first.signal("SIGTERM");
    await first.done;
    await until("that is due", async () => {
      const [row] = (await redis.xpending(stream, "g", "-", "+", 1)) as [[string, string, number, number]?];
      return (row?.[2] ?? 0) >= 500;
    });
    const second = startWorker(stream, RUN, TWIN);
    await until("it is run", () => second.stdout === `${id} 2\n`);
  });

  test("--order-by: goes on with the keys that it had begun, in order", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids: string[] = [];
    for (const key of ["a", "a", "b", "a"]) ids.push((await redis.xadd(stream, "*", "key", key)) as string);
    const [a1, a2, b1, a3] = ids as [string, string, string, string];
    const proxy = await Proxy.start();
    const ordered = [...TWIN, "--order-by", "key", "-j", "2"];
    const killed = startWorker(stream, "echo started; sleep 30", ordered, { url: proxy.url });
    await until("it works", () => killed.stdout.split("started").length === 3);
    proxy.cut();
    proxy.refuse();
    const worker = startWorker(stream, RUN, ordered);
    await until("all is done", async () => (await pendingIn(redis, stream)) === 0);
    const runs = worker.stdout.trim().split("\n");
    expect(runs.toSorted()).toEqual([`${a1} 2`, `${a2} 1`, `${b1} 2`, `${a3} 1`].toSorted());
    expect(runs.filter((line) => !line.startsWith(b1))).toEqual([`${a1} 2`, `${a2} 1`, `${a3} 1`]);
  });

  test("leaves a retry its delay", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const times = [...TWIN, "--retry-delay", "4s", "--retry-max-delay", "4s"];
    const began = performance.now();
    const first = startWorker(stream, "exit 1", times);
    await until("it failed", () => first.stderr.includes("retry in"));
    first.signal("SIGTERM");
    await first.done;
    const second = startWorker(stream, RUN, times);
    await until("it is tried again", () => second.stdout.includes(" 2\n"));
    // Half of it is the least that chance makes of a delay.
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_900);
  });

  test.each([
    ["a worker", ["--exec", "echo started; sleep 30"]],
    ["a run that prints", ["--no-ack"]],
  ])("takes nothing from %s of its name that lives", async (_, how) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const flags = how[0] === "--exec" ? ["--claim-idle", "10m"] : [];
    const living = new CliRun([
      "consume",
      stream,
      "-g",
      "g",
      "--create-group",
      "--consumer",
      "twin",
      ...flags,
      ...how,
    ]);
    onTestFinished(async () => {
      living.signal("SIGTERM");
      living.signal("SIGTERM");
      await living.done;
    });
    await until("it has an entry", async () => (await pendingIn(redis, stream).catch(() => 0)) === 1);
    const worker = startWorker(stream, RUN, TWIN);
    const [later] = await fill(redis, stream, 1);
    await until(
      "one of them gets another",
      () => worker.stdout !== "" || living.stdout.split("\n").length > 2,
    );
    await pause(1_200);
    expect([`${later} 1\n`, ""]).toContain(worker.stdout);
  });

  test("takes nothing early where it may not see who lives", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await leaveBehind(redis, stream, 1);
    const [later] = await fill(redis, stream, 1);
    const { url } = await userWith(
      redis,
      [...(await workerRights(redis)), "~*", "+client|setname"].filter((rule) => rule !== "resetchannels"),
    );
    const worker = startWorker(stream, RUN, TWIN, { url });
    await until("it works", () => worker.stdout === `${later} 1\n`);
    await pause(1_200);
    expect(worker.stdout).toBe(`${later} 1\n`);
    expect(await pendingIn(redis, stream)).toBe(1);
  });

  test("in a cluster, too: each of its nodes is asked", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const options = { url: cluster.url, env: { STREAMCTL_CLUSTER: "1" } };
    const streams = ["{a}s", "{b}s", "{c}s"];
    for (const stream of streams)
      expect(await cli(["produce", stream, "n=1"], options)).toMatchObject({ code: 0 });
    const read = ["consume", ...streams, "-g", "g", "--create-group", "--consumer", "twin"];
    expect(await cli([...read, "--no-ack", "--count", "3"], options)).toMatchObject({ code: 0 });
    const work = (command: string): CliRun => {
      const run = new CliRun([...read, ...NEVER_IDLE, "-j", "3", "--exec", command], options);
      onTestFinished(async () => {
        run.signal("SIGTERM");
        run.signal("SIGTERM");
        await run.done;
      });
      return run;
    };
    const living = work(`${RUN}; sleep 30`);
    await until("it has what was left", () => living.stdout.match(/ 2$/gm)?.length === 3);
    const other = work(RUN);
    await until("it works", () => other.stderr.includes("working on"));
    await pause(1_200);
    expect(other.stdout).toBe("");
  });
});
