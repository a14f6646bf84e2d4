import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { CliRun, cli, openStdin, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { until } from "../../support/redis.ts";
import { numbered, numbers, summaryOf, valuesOf } from "./support.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

describe("a cluster", () => {
  test("entries go to the node that has the key's slot, whichever node was named", async () => {
    for (const key of [uniqueKey("a"), uniqueKey("b"), uniqueKey("c")]) {
      const { code } = await cli(["produce", key, "--cluster"], {
        stdin: numbered(1, 100),
        url: cluster.url,
      });
      expect(code).toBe(0);
      const owner = cluster.ownerOf(keySlot(key));
      expect(await cluster.on(owner, (redis) => valuesOf(redis, key))).toEqual(numbers(1, 100));
    }
  });

  test("a slot that moves while entries flow: each arrives once, in order", async () => {
    const key = uniqueKey("moving");
    const slot = keySlot(key);
    const from = cluster.ownerOf(slot);
    const to = (from + 1) % cluster.nodes.length;
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "--cluster", "-o", "json"], { stdin, url: cluster.url });
    stdin.write(numbered(1, 1_000));
    await until("some are in", () => cluster.on(from, async (redis) => (await redis.xlen(key)) === 1_000));
    await cluster.moveSlot(slot, from, to, async () => {
      stdin.write(numbered(1_001, 1_500));
      await until("the slot's old owner still takes them", () =>
        cluster.on(from, async (redis) => (await redis.xlen(key)) === 1_500),
      );
    });
    stdin.end(numbered(1_501, 4_000));
    const result = await run.done;
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 4_000, lastLine: 4_000, complete: true, error: null });
    expect(await cluster.on(to, (redis) => valuesOf(redis, key))).toEqual(numbers(1, 4_000));
  });

  test("a slot that is half moved: entries for a key that is not there yet go where they are asked to", async () => {
    const key = uniqueKey("asking");
    const slot = keySlot(key);
    const from = cluster.ownerOf(slot);
    const to = (from + 1) % cluster.nodes.length;
    await cluster.moveSlot(slot, from, to, async () => {
      const result = await cli(["produce", key, "--cluster", "-o", "json"], {
        stdin: numbered(1, 300),
        url: cluster.url,
      });
      expect(result.code).toBe(0);
      expect(summaryOf(result)).toMatchObject({ inRedis: 300, complete: true });
    });
    expect(await cluster.on(to, (redis) => valuesOf(redis, key))).toEqual(numbers(1, 300));
  });
});

test("a cluster that has lost a slot: the run ends with the reason and a true count", async () => {
  const key = uniqueKey("down");
  const owner = cluster.ownerOf(keySlot(key));
  await cluster.on(owner, (redis) => redis.call("CLUSTER", "DELSLOTS", keySlot(key)));
  const result = await cli(["produce", key, "--cluster", "-o", "json", "--connect-timeout", "1s"], {
    stdin: numbered(1, 10),
    url: cluster.url,
  });
  await cluster.on(owner, (redis) => redis.call("CLUSTER", "ADDSLOTS", keySlot(key)));
  expect([1, 3]).toContain(result.code);
  expect(result.stderr).toMatch(/slot|CLUSTERDOWN|Hash slot not served/i);
});
