import { describe, expect, test } from "vitest";
import { CliRun, cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";

const ids = (stdout: string): unknown[] => ndjson(stdout).map(({ id }) => id);

/** Runs `consume` with these arguments until it waits in a blocking read. */
async function following(argv: string[], url?: string): Promise<CliRun> {
  const redis = rawRedis();
  // What an earlier run left may be there for a while.
  const blockedBefore = await blockedReaders(redis);
  const run = new CliRun(["consume", ...argv], url === undefined ? {} : { url });
  await until("it waits", async () => {
    const blocked = await blockedReaders(redis);
    return blocked.some((id) => !blockedBefore.includes(id));
  });
  return run;
}

/** The IDs of the connections that wait in a read. */
async function blockedReaders(redis: ReturnType<typeof rawRedis>): Promise<(string | undefined)[]> {
  const clients = String(await redis.client("LIST")).split("\n");
  return clients
    .filter((line) => /flags=\S*b/.test(line) && line.includes("cmd=xread"))
    .map((line) => line.split(" ")[0]);
}

describe("consume -f", () => {
  test("prints what comes after its start, and stops cleanly at a signal", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "n", "before");
    const run = await following([key, "-f"]);
    await redis.xadd(key, "2-1", "n", "1");
    await until("it is printed", () => ids(run.stdout).length === 1);
    await redis.xadd(key, "3-1", "n", "2");
    await until("both are printed", () => ids(run.stdout).length === 2);
    run.signal("SIGINT");
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(["2-1", "3-1"]);
  });

  test("--from prints what is there first, many pages of it, then follows", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const pipeline = redis.pipeline();
    for (let i = 1; i <= 2_000; i++) pipeline.xadd(key, `${i}-1`, "n", "1");
    await pipeline.exec();
    const run = await following([key, "-f", "--from", "11"]);
    await redis.xadd(key, "3000-1", "n", "1");
    await until("all is printed", () => run.stdout.includes("3000-1"));
    run.signal("SIGINT");
    expect(ids((await run.done).stdout)).toEqual([
      ...Array.from({ length: 1_990 }, (_, i) => `${i + 11}-1`),
      "3000-1",
    ]);
  });

  test("waits for a stream that is not there yet, and says so", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const run = await following([key, "-f", "--count", "1"]);
    expect(run.stderr).toContain(`${key} has no entries yet`);
    await redis.xadd(key, "1-1", "n", "1");
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(["1-1"]);
  });

  test("several streams, a filter and a count", async () => {
    const redis = rawRedis();
    const base = uniqueKey();
    for (const name of ["a", "b"]) await redis.xadd(`${base}:${name}`, "1-1", "n", "0");
    const run = await following([`${base}:*`, "-f", "--where", "n=1", "--count", "3"]);
    for (let i = 2; i < 6; i++)
      for (const name of ["a", "b"]) await redis.xadd(`${base}:${name}`, `${i}-1`, "n", String(i % 2));
    const { code, stdout } = await run.done;
    expect(code).toBe(0);
    const seen = ndjson(stdout).map(({ stream, id }) => `${String(stream).at(-1)} ${String(id)}`);
    expect(seen).toEqual(["a 3-1", "b 3-1", "a 5-1"]);
  });

  test.each([[["--until-empty"]], [["--idle-exit", "1s"]], [["--max-runtime", "2s"]]])(
    "%j ends it",
    async (flags) => {
      const redis = rawRedis();
      const key = uniqueKey();
      for (const id of ["1-1", "2-1"]) await redis.xadd(key, id, "n", "1");
      const { code, stdout } = await cli(["consume", key, "-f", "--from", "-", ...flags]);
      expect(code).toBe(0);
      expect(ids(stdout)).toEqual(["1-1", "2-1"]);
    },
  );

  test("after an outage it goes on where it was, and speaks of it once", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "n", "1");
    const proxy = await Proxy.start();
    const run = await following([key, "-f", "--from", "-"], proxy.url);
    await until("the first is printed", () => ids(run.stdout).length === 1);
    proxy.refuse();
    await until("it has noticed", () => run.stderr.includes("trying to get it back"));
    for (const id of ["2-1", "3-1"]) await redis.xadd(key, id, "n", "1");
    await until("it goes on trying", () => proxy.refused > 2);
    proxy.accept();
    await until("it has caught up", () => ids(run.stdout).length === 3);
    run.signal("SIGINT");
    const { code, stdout, stderr } = await run.done;
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(["1-1", "2-1", "3-1"]);
    expect(stderr.match(/trying to get it back/g)).toHaveLength(1);
    expect(stderr).toContain("connected again");
  });

  test("a peer that falls silent is given up, and reading goes on over a new connection", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "n", "1");
    const proxy = await Proxy.start();
    const run = await following([key, "-f", "--command-timeout", "2s"], proxy.url);
    proxy.swallowBoth();
    await until("it has noticed", () => run.stderr.includes("trying to get it back"));
    await redis.xadd(key, "2-1", "n", "1");
    proxy.pass();
    await until("it has caught up", () => ids(run.stdout).length === 1);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
  });
});
