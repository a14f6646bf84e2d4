import { afterAll, beforeAll, expect, test } from "vitest";
import { keySlot } from "../../src/redis/keys.ts";
import { bin } from "../support/bin.ts";
import { ndjson, uniqueKey } from "../support/cli.ts";
import { TestCluster } from "../support/cluster.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

// What the build leaves out of ioredis must not be missed where ioredis itself finds the nodes.
test("the built program finds every node of a cluster", async () => {
  const prefix = uniqueKey("built");
  const names = Array.from({ length: 12 }, (_, n) => `${prefix}:${n + 10}`);
  expect(new Set(names.map((name) => cluster.ownerOf(keySlot(name)))).size).toBe(3);
  const run = async (...args: string[]) => {
    const result = await bin([...args, "--cluster"], { url: cluster.url });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    return result.stdout;
  };
  for (const name of names) await run("produce", name, "a=1", "-q");
  await run("consume", ...names, "-g", "g", "--create-group", "--until-empty", "--no-ack", "-q");
  const rows = ndjson(await run("lag", `${prefix}:*`));
  expect(rows.map((row) => [row["stream"], row["lag"], row["pending"]])).toEqual(
    names.map((name) => [name, 0, 1]),
  );
});
