import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";
import { fill, pendingIn, startWorker } from "../../support/worker.ts";

/** Far longer than a test: what waits for it would be a test that hangs. */
const NEVER = ["--claim-idle", "10m", "--retry-delay", "9m", "--retry-max-delay", "9m"];

const on = (stream: string, ...more: string[]): string[] => ["release", stream, "-g", "g", ...more];

/** A consumer with a name made up for one process, which is gone. */
const DEAD = "host-1-0123abcd";

async function left(redis: Redis, stream: string, consumer: string): Promise<string> {
  const [id = ""] = await fill(redis, stream, 1);
  await redis.xgroup("CREATE", stream, "g", "0").catch(() => {});
  await redis.xreadgroup("GROUP", "g", consumer, "COUNT", 1, "STREAMS", stream, ">");
  return id;
}

describe("release", () => {
  test("a retry and a snooze that wait are taken at once, by another worker too, with their counts", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 2);
    const fail = `case $(cat) in *'"n":"0"'*) exit 1;; *) echo snooze 9m >&3;; esac`;
    const first = startWorker(stream, fail, NEVER);
    await until("both wait", () => first.stderr.includes("retry in") && first.stderr.includes("snoozed"));
    first.signal("SIGTERM");
    await first.done;
    const { code, stdout, stderr } = await cli(on(stream, "--all"));
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("released 2") });
    expect(ndjson(stdout).map(({ id, idleMs, deliveries }) => [id, idleMs, deliveries])).toEqual([
      [ids[0], null, 1],
      [ids[1], null, 0],
    ]);
    const second = startWorker(stream, 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"', NEVER);
    await until("all is done", async () => (await pendingIn(redis, stream)) === 0);
    expect(second.stdout.trim().split("\n").toSorted()).toEqual([`${ids[0]} 2`, `${ids[1]} 1`]);
  });

  test("a snooze that waits in the schedule is taken at once, and is not given back a second time", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const first = startWorker(stream, "echo snooze 2h >&3", NEVER);
    await until("it is put off", () => first.stderr.includes("again in 2h"));
    first.signal("SIGTERM");
    await first.done;
    expect(await redis.zcard(`${stream}:scheduled`)).toBe(1);
    expect(ndjson((await cli(on(stream, id))).stdout)).toMatchObject([{ id, deliveries: 0 }]);
    const second = startWorker(stream, 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"', NEVER);
    await until("it is done", async () => (await pendingIn(redis, stream)) === 0);
    expect(second.stdout).toBe(`${id} 1\n`);
    const [token = ""] = await redis.zrange(`${stream}:scheduled`, "0", "-1");
    await redis.zadd(`${stream}:scheduled`, "1", token);
    await until("its time has come", async () => (await redis.exists(`${stream}:scheduled`)) === 0);
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await redis.xlen(stream)).toBe(1);
  });

  test("a released retry runs on its own worker within moments, not in nine minutes", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const worker = startWorker(
      stream,
      'echo "$STREAMCTL_DELIVERIES"; [ "$STREAMCTL_DELIVERIES" -gt 1 ]',
      NEVER,
    );
    await until("it waits", () => worker.stderr.includes("retry in"));
    expect(await cli(on(stream, id))).toMatchObject({ code: 0 });
    await until("it is done", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stdout).toBe("1\n2\n");
  });

  test("what a living worker runs is left alone, however it is named, and counted", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const run = "echo run; exec sleep 60";
    const workers = [
      startWorker(stream, run, NEVER),
      startWorker(stream, run, [...NEVER, "--consumer", "own"]),
    ];
    await until("both run", () => workers.every(({ stdout }) => stdout === "run\n"));
    const all = await cli(on(stream, "--all"));
    expect(all).toMatchObject({ code: 0, stdout: "" });
    expect(all.stderr).toContain("2 entries may be running and were left alone");
    const [row] = (await redis.xpending(stream, "g", "-", "+", 1)) as [[string, string, number, number]];
    const one = await cli(on(stream, row[0]));
    expect(one).toMatchObject({ code: 4, stdout: "" });
    expect(one.stderr).toContain(`${row[0]} may be running: ${row[1]} has it`);
    expect(row[2]).toBeLessThan(600_000);
  });

  test("what a dead worker had is taken at once; under a name that may be another program's, only after a minute", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dead = await left(redis, stream, DEAD);
    const foreign = await left(redis, stream, "python-1");
    const old = await left(redis, stream, "python-2");
    await redis.xclaim(stream, "g", "python-2", 0, old, "IDLE", 70_000, "JUSTID");
    const dry = await cli(on(stream, "--all", "--dry-run"));
    expect(ndjson(dry.stdout).map(({ id }) => id)).toEqual([dead, old]);
    expect(dry.stderr).toContain("would release 2");
    const released = await cli(on(stream, "--all"));
    expect(ndjson(released.stdout).map(({ consumer }) => consumer)).toEqual([DEAD, "python-2"]);
    expect(released.stderr).toContain("1 entry may be running and was left alone");
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', NEVER);
    await until("both are done", async () => (await pendingIn(redis, stream)) === 1);
    expect(worker.stdout.trim().split("\n").toSorted()).toEqual([dead, old].toSorted());
    expect(worker.stdout).not.toContain(foreign);
  });

  test("filters choose, IDs that are not pending are told of, and nobody else's list is touched", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = [
      await left(redis, stream, DEAD),
      await left(redis, stream, DEAD),
      await left(redis, stream, DEAD),
    ];
    const where = await cli(on(stream, "--all", "--where", "n=0", "--limit", "1"));
    expect(ndjson(where.stdout).map(({ id }) => id)).toEqual([ids[0]]);
    const none = await cli(on(stream, "--all", "--min-deliveries", "2"));
    expect(none).toMatchObject({ code: 0, stdout: "" });
    const named = await cli(on(stream, ids[1] as string, "9-9"));
    expect(named).toMatchObject({ code: 5 });
    expect(named.stderr).toContain("9-9 is not pending");
    expect(await cli(on(stream, "9-9"))).toMatchObject({ code: 4 });
    expect(await cli(on(stream))).toMatchObject({ code: 2 });
    expect(await cli(["release", stream, "-g", "nope", "--all"])).toMatchObject({ code: 4 });
  });

  test("a user who may not see connections or holders releases nothing that might run", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await left(redis, stream, DEAD);
    const rights = "+xpending +xrange +xclaim +eval +evalsha +info +client|setname";
    const { url } = await userWith(redis, [`~${stream}`, ...rights.split(" ")]);
    const { code, stdout, stderr } = await cli(on(stream, "--all"), { url });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toContain("1 entry may be running");
  });
});
