import { afterAll, beforeAll, expect, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection } from "../../support/connection.ts";
import type { NatRule } from "../../../src/redis/settings.ts";

/** From a node's port to the one that it tells, at which nobody listens. */
const OTHER_PORT = -9_999;
let cluster: TestCluster;
let natMap: NatRule[];

beforeAll(async () => {
  natMap = [];
  cluster = await TestCluster.start(3, [], {
    argsOf: async (port) => {
      natMap.push({ from: `127.0.0.1:${port + OTHER_PORT}`, host: "127.0.0.1", port });
      const bus = String(port + 10_000);
      return ["--cluster-announce-port", String(port + OTHER_PORT), "--cluster-announce-bus-port", bus];
    },
  });
});
afterAll(() => cluster.stop());

function keyOn(node: number): string {
  for (;;) {
    const key = uniqueKey();
    if (cluster.ownerOf(keySlot(key)) === node) return key;
  }
}

const SETTINGS = { mode: "cluster", commandTimeoutMs: 2_000, connectTimeoutMs: 10_000 } as const;

test("--nat-map: every kind of connection finds the nodes, also after a slot has moved", async () => {
  const connection = await openConnection(cluster.url, { ...SETTINGS, natMap });
  const reader = await connection.reader();
  for (const node of [0, 1, 2]) {
    const key = keyOn(node);
    await connection.call("XADD", key, "*", "a", "1");
    const pipeline = await connection.pipeline(key);
    expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
    expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1)).toHaveLength(1);
  }
  const key = keyOn(0);
  await connection.call("XADD", key, "*", "a", "1");
  await cluster.moveSlot(keySlot(key), 0, 1, async () => {
    expect(await connection.call("XLEN", key)).toBe(1);
    const missing = `{${key}}:missing`;
    if (keySlot(missing) === keySlot(key)) expect(await connection.call("XLEN", missing)).toBe(0);
  });
  // What it knows of the slot is old by now: it is sent to an address that only the map leads to.
  expect(await connection.call("XLEN", key)).toBe(1);
  const pipeline = await connection.pipeline(key);
  expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
  expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1)).toHaveLength(1);
  await cluster.moveSlot(keySlot(key), 1, 0);
});

test("--nat-map is read from flags and variables, and is for a cluster or Sentinels", async () => {
  const key = keyOn(2);
  const env = { STREAMCTL_URL: cluster.url };
  const map = natMap.map(({ from, host, port }) => `${from}=${host}:${port}`).join(",");
  expect(await cli(["produce", key, "a=1", "--cluster", "--nat-map", map], { env })).toMatchObject({
    code: 0,
  });
  const variables = { ...env, STREAMCTL_CLUSTER: "true", STREAMCTL_NAT_MAP: map };
  expect(await cli(["consume", key], { env: variables })).toMatchObject({ code: 0 });
  const alone = await cli(["ls", "--nat-map", map], { env });
  expect(alone.stderr).toContain("--nat-map is for what a cluster's nodes or Sentinels tell");
  expect(alone.code).toBe(2);
});

test("without it the error says where the cluster's nodes are said to be, and what helps", async () => {
  const env = { STREAMCTL_URL: cluster.url };
  const { code, stderr } = await cli(
    ["produce", keyOn(1), "a=1", "--cluster", "--connect-timeout", "500ms"],
    { env },
  );
  expect(code).toBe(3);
  expect(stderr).toContain("--nat-map");
});
