import { describe, expect, inject, onTestFinished, test } from "vitest";
import { ConnectionError } from "../../../src/errors.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { asNumber } from "../../../src/redis/value.ts";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";

const SHORT = { commandTimeoutMs: 400, connectTimeoutMs: 600 };

/** Connected with limits that a slow machine may break while it connects, which is not the point. */
function connectedWith(limits: typeof SHORT, url: string): Promise<Connection> {
  return until("it is connected", () => openConnection(url, limits).catch(() => undefined));
}

describe("the control connection", () => {
  test("a write whose reply is lost says so, and is not sent again", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url);
    const key = uniqueKey();
    const struck = proxy.loseReplyTo(key);
    const error = await rejection(connection.call("XADD", key, "*", "a", "1"));
    await struck;
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as ConnectionError).sent).toBe(true);
    await until("it is connected again", () => connection.ready);
    await connection.call("PING");
    expect(await rawRedis().xlen(key)).toBe(1);
  });

  test("while the link is down a command fails at once and is known not to be sent", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url);
    proxy.refuse();
    await until("it noticed", () => !connection.ready);
    const key = uniqueKey();
    const error = await rejection(connection.call("XADD", key, "*", "a", "1"));
    expect((error as ConnectionError).sent).toBe(false);
    proxy.accept();
    await connection.persist(() => connection.call("PING"), { budgetMs: 30_000 });
    expect(await rawRedis().exists(key), "nothing was queued").toBe(0);
  });

  test("connecting waits for one reply: a far server is asked by name, PING and HELLO at once", async () => {
    const proxy = await Proxy.start();
    proxy.swallowReplies();
    let sent = "";
    proxy.onRequest = (bytes) => (sent += bytes.toString("latin1"));
    const connecting = rejection(openConnection(proxy.url, { connectTimeoutMs: 60_000 }));
    // Nothing of it is answered.
    await until("it has asked for all", () => /setname[^]*ping[^]*hello/i.test(sent));
    proxy.cut();
    await connecting;
  });

  test("a dead peer is noticed within the command timeout, and left for a new connection", async () => {
    const proxy = await Proxy.start();
    const connection = await connectedWith(SHORT, proxy.url);
    const before = proxy.accepted;
    proxy.swallowBoth();
    const error = await rejection(connection.call("PING"));
    expect((error as ConnectionError).sent).toBe(true);
    proxy.pass();
    await connection.persist(() => connection.call("PING"), { budgetMs: 30_000 });
    expect(proxy.accepted).toBeGreaterThan(before);
  });

  test("a peer that accepts and then says nothing does not hold a reconnect for ever", async () => {
    const proxy = await Proxy.start();
    const connection = await connectedWith(SHORT, proxy.url);
    const before = proxy.accepted;
    proxy.swallowBoth();
    proxy.cut();
    await until("a reconnect hangs in its handshake", () => proxy.swallowed > 0);
    // Its bytes stay lost: only a connection after it can work.
    proxy.pass();
    await connection.persist(() => connection.call("PING"), { budgetMs: 30_000 });
    expect(proxy.accepted).toBeGreaterThan(before + 1);
  });

  test("a peer that says nothing from the start: exit 3 after the connect timeout", async () => {
    const proxy = await Proxy.start();
    proxy.swallowBoth();
    const error = await rejection(openConnection(proxy.url, SHORT));
    expect(error).toMatchObject({ kind: "connection" });
  });

  test("losing the link and having it back is told once each", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url);
    const states: boolean[] = [];
    connection.onState((state) => states.push(state.up));
    proxy.refuse();
    await until("several reconnects have failed", () => proxy.refused > 2);
    proxy.accept();
    await until("it is back", () => connection.ready);
    expect(states).toEqual([false, true]);
  });

  test("CLIENT KILL is survived", async () => {
    const connection = await openConnection();
    const id = asNumber(await connection.call("CLIENT", "ID"));
    await rawRedis().client("KILL", "ID", id);
    await connection.persist(() => connection.call("PING"), { budgetMs: 30_000 });
    expect(asNumber(await connection.call("CLIENT", "ID"))).not.toBe(id);
  });

  test("calls made in one turn leave in one write, so that the server reads them at once", async () => {
    const own = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url);
    const raw = rawRedis(own.url);
    const reads = async (): Promise<number> =>
      Number(/total_reads_processed:(\d+)/.exec(await raw.info("stats"))?.[1]);
    const before = await reads();
    await Promise.all(Array.from({ length: 500 }, (_, index) => connection.call("XLEN", `k${index}`)));
    expect((await reads()) - before).toBeLessThan(20);
  });
});

describe("a blocking reader", () => {
  test("whose peer dies rejects soon after its BLOCK, and reads again later", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: 4_000 });
    const reader = await connection.reader();
    const key = uniqueKey();
    const read = (): Promise<unknown> => reader.call("XREAD", ["BLOCK", 200, "STREAMS", key, "0"], 200);
    await read();
    proxy.swallowBoth();
    expect(await rejection(read())).toMatchObject({ kind: "connection", sent: true });
    proxy.pass();
    await rawRedis().xadd(key, "1-1", "a", "1");
    expect(await connection.persist(read, { budgetMs: 30_000 })).toHaveLength(1);
  });

  test("is woken without losing what was delivered, also after it has reconnected", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url);
    const reader = await connection.reader();
    const key = uniqueKey();
    // Far longer than a test: nothing but being woken ends it.
    const args = ["BLOCK", 600_000, "STREAMS", key, "0"];
    const read = (): Promise<unknown> => reader.call("XREAD", args, 600_000);
    for (const round of ["at first", "after a reconnect"]) {
      const waiting = connection.persist(read, { budgetMs: 30_000 });
      await until(`it waits, ${round}`, () => reader.clientId !== undefined);
      await until("the server has it blocked", async () =>
        /blocked_clients:[1-9]/.test(await rawRedis().info("clients")),
      );
      await reader.wake();
      expect(await waiting).toBeNull();
      const { accepted } = proxy;
      proxy.cut();
      await until("it is connected again", () => connection.ready && proxy.accepted > accepted);
    }
  });

  test("that is closed while it waits rejects", async () => {
    const connection = await openConnection();
    const reader = await connection.reader();
    const waiting = rejection(reader.call("XREAD", ["BLOCK", 9_000, "STREAMS", uniqueKey(), "0"], 9_000));
    await until("it waits", () => reader.clientId !== undefined);
    connection.close();
    expect(await waiting).toMatchObject({ kind: "connection" });
  });
});

describe("a slow line", () => {
  test("a command is not given up while its reply, or the command itself, is on its way", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: 5_000 });
    const key = uniqueKey();
    proxy.throttle(4_000_000);
    // What the systems' buffers have taken (up to 10 MB) is out of sight, so that much must fit in the limit.
    await connection.call("XADD", key, "1-1", "a", Buffer.alloc(24_000_000));
    await rawRedis().xadd(key, "1-2", "a", "1");
    expect(await connection.call("XRANGE", key, "-", "+")).toHaveLength(2);
    expect(connection.movedAt).toBeGreaterThan(0);
    expect(proxy.accepted).toBe(1);
  });

  test("one that comes to a halt in the middle of a reply is given up", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: 2_000 });
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-1", "a", Buffer.alloc(8_000_000));
    proxy.throttle(2_000_000);
    const before = connection.movedAt;
    const read = rejection(connection.call("XRANGE", key, "-", "+"));
    await until("a part of the reply has come", () => connection.movedAt > before);
    proxy.hold();
    expect(await read).toMatchObject({ kind: "connection", sent: true });
  });

  test("a blocking read is not given up while its reply comes, however long after its BLOCK", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: 4_000 });
    const reader = await connection.reader();
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-1", "a", Buffer.alloc(10_000_000));
    proxy.throttle(2_000_000);
    expect(await reader.call("XREAD", ["BLOCK", 100, "STREAMS", key, "0"], 100)).toHaveLength(1);
    expect(proxy.accepted).toBe(2);
  });
});

describe("a pipeline", () => {
  test("takes a command of any size over a slow line", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: 5_000 });
    const pipeline = await connection.pipeline("k");
    proxy.throttle(4_000_000);
    const add = ["XADD", uniqueKey(), "1-1", "a", Buffer.alloc(24_000_000)];
    expect(await pipeline.request(encodeCommand(add))).toEqual(Buffer.from("1-1"));
  });

  test("tells each command without a reply that it was lost, and never reconnects", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url);
    const pipeline = await connection.pipeline("k");
    proxy.swallowReplies();
    const lost = rejection(pipeline.request(encodeCommand(["PING"])));
    proxy.cut();
    expect(await lost).toMatchObject({ kind: "connection", sent: true });
    proxy.pass();
    expect(pipeline.alive).toBe(false);
    await rejection(pipeline.request(encodeCommand(["PING"])));
  });

  test("counts a silent peer as dead after the command timeout", async () => {
    const proxy = await Proxy.start();
    const connection = await openConnection(proxy.url, { commandTimeoutMs: SHORT.commandTimeoutMs });
    const pipeline = await connection.pipeline("k");
    proxy.swallowBoth();
    expect(await rejection(pipeline.request(encodeCommand(["PING"])))).toMatchObject({ sent: true });
  });
});
