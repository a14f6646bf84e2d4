import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findStreams } from "../../../src/engine/find-streams.ts";
import type { ConnectionError } from "../../../src/errors.ts";
import { isHalfMoved, isTransient } from "../../../src/redis/errors.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { defineScript } from "../../../src/redis/script.ts";
import { asText } from "../../../src/redis/value.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { lastingPort } from "../../support/ports.ts";
import { Proxy } from "../../support/proxy.ts";
import { until } from "../../support/redis.ts";

const CLUSTER = { mode: "cluster", commandTimeoutMs: 20_000, connectTimeoutMs: 20_000 } as const;
/** For a node that hangs: what it is asked is given up soon. */
const IMPATIENT = { ...CLUSTER, commandTimeoutMs: 1_000 } as const;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(() => cluster.stop());

/** A new key that the node with this number holds. */
function keyOn(node: number): string {
  for (;;) {
    const key = uniqueKey();
    if (cluster.ownerOf(keySlot(key)) === node) return key;
  }
}

const add = (key: string): [string, ...string[]] => ["XADD", key, "*", "a", "1"];

async function expandStreams(connection: Connection, names: string[]): Promise<readonly string[]> {
  return (await findStreams(connection, { names, dlqTemplate: undefined })).streams;
}

describe("a cluster", () => {
  test("every kind of connection goes to the node of its key", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const reader = await connection.reader();
    const script = defineScript("length", "return redis.call('XLEN', KEYS[1])");
    for (const node of [0, 1, 2]) {
      const key = keyOn(node);
      await connection.call(...add(key));
      const pipeline = await connection.pipeline(key);
      expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
      expect(await connection.run(script, [key], [])).toBe(1);
      expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1)).toHaveLength(1);
      expect(await cluster.on(node, (redis) => redis.xlen(key))).toBe(1);
    }
  });

  test("patterns find streams on all nodes, once each, sorted; other keys are no streams", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const prefix = uniqueKey("scan");
    const streams = Array.from({ length: 30 }, (_, index) => `${prefix}:${10 + index}`);
    await Promise.all(streams.map((stream) => connection.call(...add(stream))));
    await connection.call("SET", `${prefix}:text`, "1");
    expect(await expandStreams(connection, [`${prefix}:*`, `${prefix}:1?`])).toEqual(streams);
    expect(await expandStreams(connection, ["b", "a", "b"])).toEqual(["b", "a"]);
    expect(await expandStreams(connection, [`${prefix}:x*`])).toEqual([]);
  });

  test("patterns also find what is on a node whose connection was lost", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const prefix = uniqueKey("lost");
    const streams = Array.from({ length: 30 }, (_, index) => `${prefix}:${10 + index}`);
    await Promise.all(streams.map((stream) => connection.call(...add(stream))));
    for (const node of [0, 1, 2])
      await cluster.on(node, (redis) => redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"));
    for (let n = 0; n < 20; n++)
      expect(await expandStreams(connection, [`${prefix}:*`]), `look ${n}`).toEqual(streams);
  });

  test("patterns also find what has moved to a node that had no slots", async () => {
    const own = await TestCluster.start(1);
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url, CLUSTER);
    await connection.call(...add("orders"));
    expect(await expandStreams(connection, ["ord*"])).toEqual(["orders"]);
    const added = await own.join();
    await own.moveSlot(keySlot("orders"), 0, added);
    expect(await expandStreams(connection, ["ord*"])).toEqual(["orders"]);
  });

  test("a reader that waits is woken on whichever node it waits", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const reader = await connection.reader();
    for (const node of [2, 0]) {
      const args = ["BLOCK", 90_000, "STREAMS", keyOn(node), "$"];
      const waiting = reader.call("XREAD", args, 90_000);
      await until("the node has it blocked", () =>
        cluster.on(node, async (redis) => /blocked_clients:1/.test(await redis.info("clients"))),
      );
      await reader.wake();
      expect(await waiting).toBeNull();
    }
  });

  test("a reader whose connection is lost between two reads reads on", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const reader = await connection.reader();
    const key = keyOn(0);
    await connection.call(...add(key));
    const read = (): Promise<unknown> => reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1);
    await read();
    await cluster.on(0, (redis) => redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"));
    await until("the control connection is back", () =>
      connection.persist(() => connection.call("XLEN", key)),
    );
    expect(await connection.persist(read, { budgetMs: 30_000 })).toHaveLength(1);
  });

  test("a slot that moves takes writes and readers with it", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const reader = await connection.reader();
    const key = keyOn(0);
    await connection.call(...add(key));
    const read = (): Promise<unknown> => reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1);
    await read();
    await cluster.moveSlot(keySlot(key), 0, 1, async () => {
      // Half-way: keys that are not there yet are asked for at the other node.
      await connection.call("XLEN", key);
    });
    await connection.call(...add(key));
    expect(await connection.persist(read, { budgetMs: 30_000 })).toHaveLength(1);
    const pipeline = await until("a pipeline reaches the new node", async () => {
      const candidate = await connection.pipeline(key);
      return (await candidate.request(encodeCommand(["XLEN", key]))) === 2 ? candidate : undefined;
    });
    expect(pipeline.alive).toBe(true);
    await cluster.moveSlot(keySlot(key), 1, 0);
  });

  test("a step whose slot is half moved, with some of its keys, was refused: its outcome is not unknown", async () => {
    const connection = await openConnection(cluster.url, CLUSTER);
    const script = defineScript("both", "return redis.call('EXISTS', KEYS[1], KEYS[2])");
    const key = `{${keyOn(0)}}`;
    await connection.call(...add(key));
    await cluster.moveSlot(keySlot(key), 0, 1, async () => {
      const error = await rejection(connection.run(script, [key, `${key}:missing`], []));
      expect(isHalfMoved(error)).toBe(true);
      expect(isTransient(error)).toBe(true);
    });
    expect(await connection.run(script, [key, `${key}:missing`], [])).toBe(1);
    await cluster.moveSlot(keySlot(key), 1, 0);
  });

  test("a user with a worker's rights and those of CLUSTER SLOTS and INFO is enough", async () => {
    const key = keyOn(1);
    const rights = ["-@all", "+xadd", "+xread", "+xlen", "+ping", "+cluster|slots", "+cluster|info"];
    for (const node of [0, 1, 2])
      await cluster.on(node, (redis) =>
        redis.call("ACL", "SETUSER", "w", "reset", "on", ">pw", `~${key}`, ...rights),
      );
    const connection = await openConnection(cluster.url, { ...CLUSTER, username: "w", password: "pw" });
    await connection.call(...add(key));
    const pipeline = await connection.pipeline(key);
    expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
    const reader = await connection.reader();
    expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1)).toHaveLength(1);
  });

  test("without the right to CLUSTER SLOTS the reason is named", async () => {
    for (const node of [0, 1, 2])
      await cluster.on(node, (redis) =>
        redis.call("ACL", "SETUSER", "v", "reset", "on", ">pw", "~*", "+ping"),
      );
    const error = await rejection(openConnection(cluster.url, { ...CLUSTER, username: "v", password: "pw" }));
    expect(error).toMatchObject({ kind: "connection", code: "NOPERM" });
    expect((error as Error).message).toMatch(/cluster/i);
  });

  test("database numbers are refused", async () => {
    const { code, stderr } = await cli(["lag", "x", "--cluster", "-n", "1"], { url: cluster.url });
    expect(stderr).toContain("a cluster has database 0 only");
    expect(code).toBe(2);
  });

  test("a server that is no cluster is named as the reason", async () => {
    const error = await rejection(openConnection(undefined, { ...CLUSTER, connectTimeoutMs: 3_000 }));
    expect((error as Error).message).toMatch(/not part of a cluster/);
  });
});

describe("a node of a cluster that fails", () => {
  test("hung: a write there is not sent again, does not hang, and the other nodes go on", async () => {
    const own = await TestCluster.start(3, ["--cluster-require-full-coverage", "no"]);
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url, IMPATIENT);
    const [hung, well] = [keyOn(0), keyOn(1)];
    await own.on(0, (redis) => redis.xadd(hung, "*", "a", "1"));
    for (const key of [hung, well])
      await connection.persist(() => connection.call("XLEN", key), { budgetMs: 30_000 });
    own.node(0).signal("SIGSTOP");
    const error = await rejection(connection.call(...add(hung)));
    expect((error as ConnectionError).sent).toBe(true);
    await connection.persist(() => connection.call(...add(well)), { budgetMs: 30_000 });
    own.node(0).signal("SIGCONT");
    await connection.persist(() => connection.call("XLEN", hung), { budgetMs: 30_000 });
    expect(await own.on(0, (redis) => redis.xlen(hung)), "the first and the one of unknown outcome").toBe(2);
  });

  test("killed: a write in flight rejects and is not sent again", async () => {
    const own = await TestCluster.start(3, ["--cluster-require-full-coverage", "no"]);
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url, CLUSTER);
    const key = keyOn(2);
    await connection.call(...add(key));
    own.node(2).signal("SIGSTOP");
    const inFlight = rejection(connection.call(...add(key)));
    own.node(2).signal("SIGKILL");
    expect(await inFlight).toMatchObject({ kind: "connection", sent: true });
    expect(await rejection(connection.call(...add(key)))).toBeDefined();
    await connection.persist(() => connection.call(...add(keyOn(1))), { budgetMs: 30_000 });
  });

  test("a reply that is lost: the write is not sent again", async () => {
    const port = await lastingPort();
    const own = await TestCluster.start(1, ["--cluster-announce-port", String(port)]);
    onTestFinished(() => own.stop());
    const proxy = await Proxy.start(own.url, port);
    const connection = await openConnection(proxy.url, CLUSTER);
    const key = uniqueKey();
    const struck = proxy.loseReplyTo(key);
    const error = await rejection(connection.call(...add(key)));
    await struck;
    expect((error as ConnectionError).sent).toBe(true);
    await connection.persist(() => connection.call("XLEN", "other"), { budgetMs: 30_000 });
    expect(await own.on(0, (redis) => redis.xlen(key))).toBe(1);
  });

  test("all gone: reconnecting goes on until they are back", async () => {
    const own = await TestCluster.start(1);
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url, IMPATIENT);
    own.node(0).signal("SIGSTOP");
    expect(await rejection(connection.call("XLEN", "k"))).toMatchObject({ kind: "connection" });
    own.node(0).signal("SIGCONT");
    expect(await connection.persist(() => connection.call("XLEN", "k"), { budgetMs: 30_000 })).toBe(0);
  });

  test("a wrong password is final", async () => {
    const own = await TestCluster.start(1);
    onTestFinished(() => own.stop());
    await own.on(0, (redis) => redis.config("SET", "requirepass", "pw"));
    const wrong = await rejection(openConnection(own.url, { ...CLUSTER, password: "no" }));
    expect(wrong).toMatchObject({ kind: "connection", code: "WRONGPASS" });
    const none = await rejection(openConnection(own.url, CLUSTER));
    expect(none).toMatchObject({ kind: "connection", code: "NOAUTH" });
    const right = await openConnection(own.url, { ...CLUSTER, password: "pw" });
    await right.call(...add("k"));
    expect(asText(await right.call("TYPE", "k"))).toBe("stream");
    const pipeline = await right.pipeline("k");
    expect(await pipeline.request(encodeCommand(["XLEN", "k"]))).toBe(1);
    const reader = await right.reader();
    expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", "k", "0"], 1)).toHaveLength(1);
  });
});
