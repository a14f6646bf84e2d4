import { afterAll, beforeAll, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { until } from "../../support/redis.ts";
import { startWorker } from "../../support/worker.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

const values = async (key: string, owner = cluster.ownerOf(keySlot(key))): Promise<number[]> =>
  cluster.on(owner, async (redis) =>
    (await redis.xrange(key, "-", "+")).map(([, fields]) => Number(fields[1])),
  );

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

const input = (count: number): string =>
  numbers(count)
    .map((n) => `{"n":${n}}\n`)
    .join("");

test("one run adds what is due for streams of all nodes; names with braces, too", async () => {
  const keys = [...numbers(6).map(() => uniqueKey("s")), `{tag}${uniqueKey()}`];
  const { url } = cluster;
  for (const key of keys) {
    const made = await cli(["produce", key, "--cluster", "--delay", "300ms"], { stdin: input(20), url });
    expect(made.code).toBe(0);
    const due = key.startsWith("{") ? `${key}:scheduled` : `{${key}}:scheduled`;
    expect(
      await cluster.on(cluster.ownerOf(keySlot(key)), (redis) => redis.exists(key, due)),
    ).toBeGreaterThan(0);
  }
  const run = new CliRun(["schedule", "run", ...keys, "--cluster"], { url });
  for (const key of keys) await until("all are there", async () => (await values(key)).length === 20);
  run.signal("SIGTERM");
  expect((await run.done).code).toBe(0);
  for (const key of keys) expect(await values(key)).toEqual(numbers(20));
});

test("a name that allows no key beside it is refused", async () => {
  const made = await cli(["produce", "a}b", "n=1", "--cluster", "--delay", "1h"], { url: cluster.url });
  expect(made).toMatchObject({ code: 2, stderr: expect.stringContaining("no other key can share the slot") });
  const listed = await cli(["schedule", "list", "a}b", "--cluster"], { url: cluster.url });
  expect(listed.code).toBe(2);
});

test("while its slot moves what is due waits, and is added once on the other node", async () => {
  const key = uniqueKey("moving");
  const { url } = cluster;
  const slot = keySlot(key);
  const from = cluster.ownerOf(slot);
  const to = (from + 1) % cluster.nodes.length;
  const count = 300;
  expect((await cli(["produce", key, "--cluster", "--delay", "1h"], { stdin: input(count), url })).code).toBe(
    0,
  );
  const rows = ndjson((await cli(["schedule", "list", key, "--cluster", "-o", "ndjson"], { url })).stdout);
  expect(rows).toHaveLength(count);
  const due = `{${key}}:scheduled`;
  await cluster.on(from, async (redis) => {
    const tokens = await redis.zrange(due, "0", "-1");
    await redis.zadd(due, ...tokens.flatMap((token) => [1, token]));
  });
  await cluster.moveSlot(slot, from, to, async () => {
    startWorker(key, "true", ["--cluster"], { url });
  });
  await until("all are there", async () => (await values(key, to)).length === count);
  expect(await values(key, to)).toEqual(numbers(count));
  expect(await cluster.on(to, (redis) => redis.exists(due))).toBe(0);
});
