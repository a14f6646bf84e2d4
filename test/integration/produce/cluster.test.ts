import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { partitionOf } from "../../../src/engine/produce/partitions.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { CliRun, cli, openStdin, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { until } from "../../support/redis.ts";
import { byCustomer, expectPartitioned, numbered, numbers, summaryOf, valuesOf } from "./support.ts";

const BY_CUSTOMER = ["--cluster", "--partitions", "6", "--partition-by", "customer", "-o", "json"];

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

describe("partitions in a cluster", () => {
  test("each is on the node of its own slot, over one pipeline per node, with every key in order", async () => {
    const key = uniqueKey("orders");
    const run = await cli(["produce", key, ...BY_CUSTOMER], {
      stdin: byCustomer(1, 10_000),
      url: cluster.url,
    });
    expect(run.code).toBe(0);
    expect(summaryOf(run)).toMatchObject({ inRedis: 10_000, lastLine: 10_000, complete: true });
    const slots = Array.from({ length: 6 }, (_, index) => keySlot(`${key}:${index}`));
    expect(new Set(slots).size).toBe(6);
    await expectPartitioned(10_000, 6, (index) => valuesAt(`${key}:${index}`));
  });

  test("a partition that moves while entries flow: it and the others get each entry once, in order", async () => {
    const key = uniqueKey("moving");
    const moving = `${key}:${partitionOf(Buffer.from("c-1"), 6)}`;
    const slot = keySlot(moving);
    const from = cluster.ownerOf(slot);
    const to = (from + 1) % cluster.nodes.length;
    const stdin = openStdin();
    const run = new CliRun(["produce", key, ...BY_CUSTOMER], { stdin, url: cluster.url });
    stdin.write(byCustomer(1, 700));
    await until("some are in", () => cluster.on(from, async (redis) => (await redis.xlen(moving)) >= 100));
    await cluster.moveSlot(slot, from, to);
    stdin.end(byCustomer(701, 7_000));
    const result = await run.done;
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 7_000, complete: true, error: null });
    await expectPartitioned(7_000, 6, (index) => {
      const stream = `${key}:${index}`;
      return stream === moving ? cluster.on(to, (redis) => valuesOf(redis, stream)) : valuesAt(stream);
    });
    await cluster.moveSlot(slot, to, from);
  });

  test("a name with a tag is refused before anything is sent: its partitions would share a slot", async () => {
    const key = `{${uniqueKey("tag")}}`;
    const { code, stderr } = await cli(["produce", key, ...BY_CUSTOMER], {
      stdin: byCustomer(1, 10),
      url: cluster.url,
    });
    expect(code).toBe(2);
    expect(stderr).toContain("would all share one slot");
  });

  test("a rerun with keys adds nothing: each marker is in its partition's slot", async () => {
    const key = uniqueKey("orders");
    const args = ["produce", key, ...BY_CUSTOMER, "--idempotency-key", "n"];
    const input = { stdin: byCustomer(1, 1_000), url: cluster.url };
    expect(summaryOf(await cli(args, input))).toMatchObject({ inRedis: 1_000, alreadyThere: 0 });
    const again = await cli(args, input);
    expect(again.code).toBe(0);
    expect(summaryOf(again)).toMatchObject({ inRedis: 1_000, alreadyThere: 1_000, complete: true });
    await expectPartitioned(1_000, 6, (index) => valuesAt(`${key}:${index}`));
  });

  test("entries with keys, while their slot is half moved: the run waits until it is whole again", async () => {
    const key = uniqueKey("keyed");
    const slot = keySlot(key);
    const from = cluster.ownerOf(slot);
    const to = (from + 1) % cluster.nodes.length;
    const args = ["produce", key, "--cluster", "--idempotency-key", "n", "-o", "json", "--ids"];
    const stdin = openStdin();
    const run = new CliRun(args, { stdin, url: cluster.url });
    stdin.write(numbered(1, 100));
    await until("some are in", () => cluster.on(from, async (redis) => (await redis.xlen(key)) === 100));
    await cluster.moveSlot(slot, from, to, async () => {
      // The stream is here, the markers are nowhere yet: TRYAGAIN.
      stdin.end(numbered(101, 200));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await cluster.on(from, (redis) => redis.xlen(key))).toBe(100);
    });
    const result = await run.done;
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 200, alreadyThere: 0, complete: true });
    expect(await cluster.on(to, (redis) => valuesOf(redis, key))).toEqual(numbers(1, 200));
    await cluster.moveSlot(slot, to, from);
  });

  test("no marker can share the slot of some names: they are refused", async () => {
    const args = ["produce", `{}${uniqueKey()}`, "n=1", "--cluster", "--idempotency-key", "n"];
    const { code, stderr } = await cli(args, { url: cluster.url });
    expect(code).toBe(2);
    expect(stderr).toContain("no other key can share the slot of");
  });

  test("--wait-lag looks at the partitions on all nodes", async () => {
    const key = uniqueKey("orders");
    for (let index = 0; index < 6; index++) {
      const stream = `${key}:${index}`;
      const node = cluster.ownerOf(keySlot(stream));
      await cluster.on(node, (redis) => redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM"));
    }
    const run = new CliRun(["produce", key, ...BY_CUSTOMER, "--wait-lag", "g:50", "-v"], {
      stdin: byCustomer(1, 1_000),
      url: cluster.url,
    });
    await until("it waits", () => run.stderr.includes("waiting for g"));
    run.signal("SIGINT");
    const result = await run.done;
    expect(result.code).toBe(130);
    const streams = summaryOf(result).partitions ?? [];
    expect(Math.max(...streams.map(({ inRedis }) => inRedis))).toBeLessThanOrEqual(51);
    expect(streams).toHaveLength(6);
  });
});

/** The values of a stream, read from the node that has its slot. */
function valuesAt(key: string): Promise<string[]> {
  return cluster.on(cluster.ownerOf(keySlot(key)), (redis) => valuesOf(redis, key));
}

test("a cluster that has lost a slot: the run ends with the reason and a true count", async () => {
  const key = uniqueKey("down");
  const owner = cluster.ownerOf(keySlot(key));
  await cluster.on(owner, (redis) => redis.call("CLUSTER", "DELSLOTS", keySlot(key)));
  const result = await cli(["produce", key, "--cluster", "-o", "json", "--connect-timeout", "3s"], {
    stdin: numbered(1, 10),
    url: cluster.url,
  });
  await cluster.on(owner, (redis) => redis.call("CLUSTER", "ADDSLOTS", keySlot(key)));
  expect([1, 3]).toContain(result.code);
  expect(result.stderr).toMatch(/slot|CLUSTERDOWN|Hash slot not served/i);
});
