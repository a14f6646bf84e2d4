import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeRecord } from "../../../src/engine/dlq/record.ts";
import { groupName } from "../../../src/entry/names.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { entryId } from "../../support/ids.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

function clusterCli(...args: string[]): Promise<CliResult> {
  return cli([...args, "--cluster"], { url: cluster.url });
}

test("lag, ls and pending reach the streams of every node", async () => {
  const prefix = uniqueKey("spread");
  const names = Array.from({ length: 60 }, (_, n) => `${prefix}:${n + 10}`);
  expect(new Set(names.map((name) => cluster.ownerOf(keySlot(name)))).size).toBe(3);
  for (const name of names) {
    await cluster.on(cluster.ownerOf(keySlot(name)), async (redis) => {
      await redis.xgroup("CREATE", name, "g", "0", "MKSTREAM");
      await redis.xadd(name, "1-0", "a", "1");
      await redis.xadd(name, "2-0", "a", "1");
      await redis.xreadgroup("GROUP", "g", "c", "COUNT", 1, "STREAMS", name, ">");
    });
  }
  const lags = ndjson((await clusterCli("lag", `${prefix}:*`)).stdout);
  expect(lags.map((row) => [row["stream"], row["lag"], row["pending"]])).toEqual(
    names.map((name) => [name, 1, 1]),
  );
  const listed = ndjson((await clusterCli("ls", `${prefix}:*`)).stdout);
  expect(listed.map((row) => row["stream"])).toEqual(names);
  for (const name of names.slice(0, 6)) {
    const pending = ndjson((await clusterCli("pending", name, "-g", "g", "--list")).stdout);
    expect(pending).toMatchObject([{ id: "1-0", missing: false }]);
  }
});

test("dlq list looks for the queue in the stream's own slot", async () => {
  const stream = uniqueKey();
  const dlq = `{${stream}}:dlq`;
  await cluster.on(cluster.ownerOf(keySlot(stream)), async (redis) => {
    await redis.xadd(stream, "1-0", "a", "1");
    const record = encodeRecord([], {
      stream,
      id: entryId("1-0"),
      group: groupName("g"),
      consumer: "c",
      deliveries: 1,
      reason: "exit 1",
      stderr: Buffer.alloc(0),
      failedAt: new Date(),
      replays: 0,
    });
    await redis.xadd(dlq, "*", ...record);
  });
  const { stdout, stderr } = await clusterCli("dlq", "list", stream);
  expect(stderr).toBe("");
  expect(ndjson(stdout)).toMatchObject([{ stream, dlq, originalId: "1-0" }]);
});
