import type { Redis } from "ioredis";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { fill, pendingIn, startWorker } from "../../support/worker.ts";

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
    const command = 'echo "$STREAMCTL_DELIVERIES"; sleep 0.2; test "$STREAMCTL_DELIVERIES" = 2';
    const worker = startWorker(stream, command, times, { url: server.url });
    await until("the handler runs", () => worker.stdout === "1\n");
    // The delay passes before the server hears of the failure, and only then begins there.
    await redis.call("CLIENT", "PAUSE", "2400");
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
    await until("it is run", () => worker.stdout.includes(id), 5_000);
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
    const worker = startWorker(stream, 'echo "$STREAMCTL_DELIVERIES"; exit 1', times);
    await until("it failed", () => worker.stderr.includes("retry in"));
    await pause(1_600);
    expect(worker.stdout).toBe("1\n");
    await until("it is tried again", () => worker.stdout === "1\n2\n");
  });

  test("a name given with --consumer may be another process's, too: nothing of it is taken early", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "twin", "COUNT", 1, "STREAMS", stream, ">");
    const worker = startWorker(stream, "echo ran", [...NEVER_IDLE, "--consumer", "twin"]);
    const [later] = await fill(redis, stream, 1);
    await until("it works", () => worker.stdout === "ran\n");
    await pause(1_200);
    expect(worker.stdout).toBe("ran\n");
    expect(later).toBeDefined();
    expect(await pendingIn(redis, stream)).toBe(1);
  });
});
