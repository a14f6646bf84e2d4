import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { freePort } from "../../../src/sandbox/server.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestSentinel } from "../../support/sentinel.ts";

let sentinel: TestSentinel;

beforeAll(async () => {
  sentinel = await TestSentinel.start();
});
afterAll(() => sentinel.stop());

function settings(connectTimeoutMs = 10_000) {
  const [host = "", port] = sentinel.address.split(":");
  return {
    mode: "sentinel",
    master: "mymaster",
    sentinels: [{ host, port: Number(port) }],
    connectTimeoutMs,
  } as const;
}

test("after a failover every kind of connection is on the new master, and nothing is printed", async () => {
  const printed = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];
  const connection = await openConnection(undefined, settings());
  const key = uniqueKey();
  await connection.call("XADD", key, "1-1", "a", "1");
  const reader = await connection.reader();
  const pipeline = await connection.pipeline(key);
  expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
  await until("the replica has it", async () => (await rawRedis(sentinel.replica.url).xlen(key)) === 1);
  const states: boolean[] = [];
  connection.onState(({ up }) => states.push(up));

  await sentinel.failOver();
  await until("it went from the old master to the new one", () => states.length >= 2);

  await connection.persist(() => connection.call("XADD", key, "2-1", "a", "2"), { budgetMs: 30_000 });
  expect(states).toEqual([false, true]);
  expect(await rawRedis(sentinel.replica.url).xlen(key), "written to the new master").toBe(2);
  const read = (): Promise<unknown> => reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "1-1"], 1);
  expect(await connection.persist(read, { budgetMs: 30_000 })).toHaveLength(1);
  const newPipeline = await connection.pipeline(key);
  expect(await newPipeline.request(encodeCommand(["XLEN", key]))).toBe(2);
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
});

test("flags and environment name Sentinel and master", async () => {
  const env = { STREAMCTL_URL: "", STREAMCTL_SENTINEL: sentinel.address };
  expect(await cli(["lag", "no-such", "--master", "mymaster"], { env })).toMatchObject({ code: 4 });
});

test.concurrent("a master that Sentinel does not know: exit 3 with the reason, after the connect timeout", async () => {
  const error = await rejection(openConnection(undefined, { ...settings(3_000), master: "other" }));
  expect(error).toMatchObject({
    kind: "connection",
    message: expect.stringContaining('the Sentinels know no master "other"'),
  });
});

test("a Sentinel taken for a server: says how Sentinels are given", async () => {
  for (const argv of [
    ["lag", "x"],
    ["consume", "x", "-g", "g", "--exec", "cat"],
  ]) {
    const { code, stderr } = await cli(argv, { url: `redis://${sentinel.address}` });
    expect(stderr).toMatch(
      /^[^\n]*what answers there is a Sentinel: it is given with --sentinel HOST:PORT --master NAME[^\n]*\n$/,
    );
    expect(code).toBe(3);
  }
});

test.concurrent("no Sentinel there: exit 3 with the reason, after the connect timeout", async () => {
  const sentinels = [{ host: "127.0.0.1", port: await freePort() }];
  const error = await rejection(openConnection(undefined, { ...settings(3_000), sentinels }));
  expect((error as Error).message).toMatch(/no Sentinel at .*: connection refused/);
});
