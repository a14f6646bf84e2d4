import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterOptions } from "../../../src/redis/client-options.ts";
import { Cluster } from "../../../src/redis/ioredis-cluster.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection } from "../../support/connection.ts";
import { until } from "../../support/redis.ts";

let cluster: TestCluster;
/** One stream on each node. */
let streams: string[];

beforeAll(async () => {
  const soon = ["--cluster-node-timeout", "2000"];
  cluster = await TestCluster.start(3, ["--cluster-require-full-coverage", "no", ...soon]);
  streams = [0, 1, 2].map((node) => {
    for (;;) {
      const key = uniqueKey();
      if (cluster.ownerOf(keySlot(key)) === node) return key;
    }
  });
  for (const [node, stream] of streams.entries())
    await cluster.on(node, async (redis) => {
      await redis.xadd(stream, "1-0", "n", "1");
      await redis.xgroup("CREATE", stream, "idle", "0");
    });
  cluster.node(2).signal("SIGKILL");
  await cluster.on(0, (redis) =>
    until(
      "the others have noticed",
      async () => !String(await redis.call("CLUSTER", "INFO")).includes("cluster_slots_fail:0\r\n"),
    ),
  );
});
afterAll(() => cluster.stop());

function clusterCli(...args: string[]): Promise<CliResult> {
  return cli([...args, "--cluster", "--connect-timeout", "4s"], { url: cluster.url });
}

const gone = (): string => `127.0.0.1:${cluster.node(2).port}`;

test("a node that is down: doctor names it and looks at the rest", async () => {
  const { code, stdout } = await clusterCli("doctor", ...streams);
  expect(code).toBe(6);
  const rows = ndjson(stdout);
  expect(rows.filter(({ severity }) => severity === "error")).toMatchObject([
    { check: "cluster", evidence: expect.stringContaining(`${gone()}: no answer from this node`) },
  ]);
  const living = [0, 1].map((node) => `127.0.0.1:${cluster.node(node).port}: `);
  const servers = rows.filter(({ check }) => check === "server").map(({ evidence }) => String(evidence));
  expect(servers.map((evidence) => living.find((node) => evidence.startsWith(node)))).toEqual(living);
  expect(rows.filter(({ check }) => check === "unread-group").map(({ stream }) => stream)).toEqual(
    streams.slice(0, 2),
  );
  expect(rows.filter(({ check }) => check === "unseen").map(({ stream }) => stream)).toContain(streams[2]);
});

test("a node that is down: without names doctor says what it could not list", async () => {
  const { code, stdout, stderr } = await clusterCli("doctor");
  expect(code).toBe(6);
  expect(ndjson(stdout).filter(({ check }) => check === "server")).toHaveLength(2);
  expect(stderr).toContain(`can't list the streams: lost the connection to ${gone()}`);
});

test("a node that is down: a pattern fails, rather than tell of half the streams", async () => {
  for (const command of ["lag", "ls", "info"]) {
    const { code, stdout, stderr } = await clusterCli(command, "orders:*");
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain(`lost the connection to ${gone()} during SCAN`);
  }
  expect((await clusterCli("ls", String(streams[0]))).code).toBe(0);
});

test("a node that is down: whoever connects asks another one, and does not begin anew", async () => {
  const { settings } = await openConnection(cluster.url);
  for (let n = 0; n < 20; n++) {
    const client = new Cluster(
      [{ host: "127.0.0.1", port: cluster.node(0).port }],
      clusterOptions(settings, "t"),
    );
    const again: string[] = [];
    client.on("error", () => {});
    client.on("reconnecting", () => again.push("reconnecting"));
    await client.connect();
    client.disconnect();
    expect(again, `connection ${n}`).toEqual([]);
  }
});
