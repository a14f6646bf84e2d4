import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis, until } from "../../support/redis.ts";

function start(argv: string[], options: { url?: string } = {}): CliRun {
  const run = new CliRun(argv, options);
  onTestFinished(async () => {
    run.signal("SIGTERM");
    await run.done;
  });
  return run;
}

function printed(run: CliRun): string[] {
  return ndjson(run.stdout).map(({ stream, id }) => `${String(stream)} ${String(id)}`);
}

const ways: [string, (pattern: string) => string[]][] = [
  ["a follower", (pattern) => ["consume", pattern, "-f"]],
  ["a group's reader", (pattern) => ["consume", pattern, "-g", "g", "--create-group"]],
  ["a worker", (pattern) => ["consume", pattern, "-g", "g", "--create-group", "--exec", "cat"]],
  [
    "a worker with --order-by",
    (pattern) => ["consume", pattern, "-g", "g", "--create-group", "--order-by", "n", "--exec", "cat"],
  ],
];

/** All ways side by side: most of the time they wait. */
function everyWay(
  work: (redis: Redis, argv: (pattern: string) => string[]) => Promise<void>,
): Promise<void[]> {
  const redis = rawRedis();
  return Promise.all(ways.map(([, argv]) => work(redis, argv)));
}

const SECONDS = 30_000;

describe("streams that come and go while they are read by a pattern", () => {
  test(
    "a new one joins, one that is deleted leaves, and both are said",
    { timeout: 4 * SECONDS },
    async () => {
      await everyWay(async (redis, argv) => {
        const base = uniqueKey("q");
        const [first, late] = [`${base}:first`, `${base}:late`];
        await redis.xadd(first, "1-1", "n", "1");
        await redis.xdel(first, "1-1");
        const run = start(argv(`${base}:*`));
        await until("it reads", async () => {
          if (argv("").includes("-f")) return follows(redis);
          return ((await redis.xinfo("GROUPS", first)) as unknown[]).length > 0;
        });
        await redis.xadd(first, "2-1", "n", "1");
        await redis.xadd(late, "1-1", "n", "1");
        await redis.xadd(`${late}:dlq`, "1-1", "n", "1");
        await until("the new one is read", () => printed(run).includes(`${late} 1-1`), SECONDS);
        expect(run.stderr).toContain(`${late} joined`);
        await redis.del(first);
        await until("it has left", () => run.stderr.includes(`${first} left`), SECONDS);
        await redis.xadd(late, "2-1", "n", "1");
        await until("the other one is still read", () => printed(run).includes(`${late} 2-1`), SECONDS);
        await redis.xadd(first, "3-1", "n", "1");
        await until("one that comes back is read", () => printed(run).includes(`${first} 3-1`), SECONDS);
        run.signal("SIGTERM");
        const { code, stderr } = await run.done;
        expect(code).toBe(0);
        expect(printed(run).sort()).toEqual([`${first} 2-1`, `${first} 3-1`, `${late} 1-1`, `${late} 2-1`]);
        expect(stderr).not.toContain("dlq joined");
        for (const stream of [first, late]) expect(await consumersOf(redis, stream)).toEqual([]);
      });
    },
  );

  test(
    "nothing matches at first: it waits, unless it is to end when nothing is left",
    { timeout: 4 * SECONDS },
    async () => {
      await everyWay(async (redis, argv) => {
        const base = uniqueKey("q");
        const run = start(argv(`${base}:*`));
        await until("it says so", () => run.stderr.includes(`no stream matches ${base}:* yet`));
        const once = argv(`${base}:*`);
        once.splice(2, 0, "--until-empty");
        expect((await cli(once)).code).toBe(4);
        await redis.xadd(`${base}:one`, "1-1", "n", "1");
        await until("it reads", () => printed(run).length === 1, SECONDS);
      });
    },
  );

  test(
    "one without the group is told of once, and read when it has it",
    { timeout: 4 * SECONDS },
    async () => {
      await everyWay(async (redis, argv) => {
        if (argv("").includes("-f")) return;
        const base = uniqueKey("q");
        const [one, two] = [`${base}:1`, `${base}:2`];
        await redis.xgroup("CREATE", one, "g", "0", "MKSTREAM");
        const run = start(argv(`${base}:*`).filter((word) => word !== "--create-group"));
        await redis.xadd(one, "1-1", "n", "1");
        await until("it reads", () => printed(run).length === 1);
        await redis.xadd(two, "1-1", "n", "1");
        await until("it is told", () => run.stderr.includes(`${two} is not read: no group "g"`), SECONDS);
        await redis.xgroup("CREATE", two, "g", "0");
        await until("it is read", () => printed(run).length === 2, SECONDS);
        expect(run.stderr.split("is not read")).toHaveLength(2);
      });
    },
  );

  test("in a cluster, on whichever node", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const options = { url: cluster.url, env: { STREAMCTL_CLUSTER: "1" } };
    const runs = ways.slice(0, 3).map(([, argv]) => start([...argv("s*")], options));
    for (const run of runs) await until("it waits", () => run.stderr.includes("no stream matches"));
    for (const stream of ["sa", "sb", "sc", "sd"]) {
      expect((await cli(["produce", stream, "n=1"], options)).code).toBe(0);
    }
    await until("the follower has all", () => printed(runs[0] as CliRun).length === 4);
    await until(
      "the group has all",
      () => printed(runs[1] as CliRun).length + printed(runs[2] as CliRun).length === 4,
    );
  });
});

async function consumersOf(redis: Redis, stream: string): Promise<unknown[]> {
  return (await redis.xinfo("CONSUMERS", stream, "g").catch(() => [])) as unknown[];
}

/** Whether a run without a group waits in a read: the others have begun maybe, and it has not. */
async function follows(redis: Redis): Promise<boolean> {
  const clients = String(await redis.client("LIST")).split("\n");
  return clients.some((line) => /flags=\S*b/.test(line) && /cmd=xread( |$)/.test(line));
}
