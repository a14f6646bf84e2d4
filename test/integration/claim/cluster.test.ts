import { afterAll, beforeAll, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

function clusterCli(...args: string[]): Promise<CliResult> {
  return cli([...args, "--cluster"], { url: cluster.url });
}

/** Makes a group whose entries c holds, and moves them all to d but one, which is acked. */
async function repair(name: string): Promise<void> {
  expect((await clusterCli("group", "create", name, "g", "--mkstream")).code).toBe(0);
  await cluster.on(cluster.ownerOf(keySlot(name)), async (redis) => {
    for (const id of ["1-0", "2-0", "3-0"]) await redis.xadd(name, id, "a", "1");
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", name, ">");
    await redis.xadd(`{${name}}:dlq`, "1-0", "a", "1");
  });
  expect((await clusterCli("claim", name, "-g", "g", "1-0", "2-0", "--to", "d")).code).toBe(0);
  expect((await clusterCli("ack", name, "-g", "g", "1-0")).code).toBe(0);
  const forget = ["group", "forget-consumer", name, "c", "-g", "g", "--claim-to", "d"];
  expect(ndjson((await clusterCli(...forget)).stdout)).toMatchObject([{ moved: 1 }]);
  expect((await clusterCli("group", "set-id", name, "g", "--at", "0", "-y")).code).toBe(0);
}

test("claim, ack, group, info and doctor reach the streams of every node", async () => {
  const prefix = uniqueKey("repair");
  const names = Array.from({ length: 12 }, (_, n) => `${prefix}:${n}`).sort();
  expect(new Set(names.map((name) => cluster.ownerOf(keySlot(name)))).size).toBe(3);
  await Promise.all(names.map(repair));
  const consumers = ndjson((await clusterCli("group", "consumers", `${prefix}:*`)).stdout);
  expect(consumers.map(({ stream, consumer, pending }) => [stream, consumer, pending])).toEqual(
    names.map((name) => [name, "d", 2]),
  );
  const details = await clusterCli("info", `${prefix}:*`);
  expect(details.stderr).toBe("");
  const infos = ndjson(details.stdout);
  expect(infos.map(({ length, consumers }) => [length, consumers])).toEqual(names.map(() => [3, 1]));
  const { code, stdout } = await clusterCli("doctor", `${prefix}:*`);
  expect(code).toBe(0);
  const findings = ndjson(stdout);
  expect(findings.filter(({ check }) => check === "server")).toHaveLength(3);
  expect(findings.filter(({ check }) => check === "rights" || check === "cluster")).toEqual([]);
  expect(findings.filter(({ check }) => check === "dead-letters").map(({ stream }) => stream)).toEqual(names);
});

test("one node without --cluster: doctor says so", async () => {
  const { stdout } = await cli(["doctor"], { url: cluster.url });
  const found = ndjson(stdout).find(({ check }) => check === "cluster");
  expect(found).toMatchObject({ severity: "warning", fix: "pass --cluster" });
});
