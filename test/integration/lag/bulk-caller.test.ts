import { expect, test } from "vitest";
import { ConnectionError, ServerError } from "../../../src/errors.ts";
import { type GroupLag, groupLags } from "../../../src/engine/lag/lag.ts";
import { BulkCaller } from "../../../src/redis/streams/bulk-caller.ts";
import { groupInfos, streamInfo } from "../../../src/redis/streams/info.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

test("gives each of many reads its own answer, and errors to those they belong to", async () => {
  const redis = rawRedis();
  const key = uniqueKey("bulk");
  for (let n = 0; n < 50; n++) await redis.xadd(`${key}:ü${n}`, `${n + 1}-0`, "a", "1");
  const caller = await BulkCaller.open(await openConnection());
  const answers = await Promise.allSettled(
    Array.from({ length: 100 }, (_, n) => streamInfo(caller, `${key}:ü${n}`)),
  );
  for (const [n, answer] of answers.entries()) {
    if (n < 50) expect(answer).toMatchObject({ status: "fulfilled", value: { lastId: `${n + 1}-0` } });
    else expect(answer).toMatchObject({ status: "rejected", reason: expect.any(ServerError) });
  }
  caller.close();
});

test("reads like the connection itself", async () => {
  const redis = rawRedis();
  const key = uniqueKey("bulk");
  await redis.xadd(key, "1-0", "a", "1");
  await redis.xgroup("CREATE", key, "g", "0");
  const connection = await openConnection();
  const caller = await BulkCaller.open(connection);
  expect(await groupInfos(caller, key)).toEqual(await groupInfos(connection, key));
  expect(await streamInfo(caller, key)).toEqual(await streamInfo(connection, key));
  caller.close();
});

test("when its lane dies, reads under way fail or are repeated, and later ones go another way", async () => {
  const redis = rawRedis();
  const key = uniqueKey("bulk");
  await redis.xadd(key, "1-0", "a", "1");
  const proxy = await Proxy.start();
  const connection = await openConnection(proxy.url);
  const caller = await BulkCaller.open(connection);
  proxy.swallowReplies();
  const plain = rejection(caller.call("XLEN", key));
  const repeated = streamInfo(caller, key);
  await new Promise((resolve) => setTimeout(resolve, 20));
  proxy.cut();
  proxy.pass();
  expect(await plain).toBeInstanceOf(ConnectionError);
  expect(await repeated).toMatchObject({ length: 1 });
  expect(await streamInfo(caller, key)).toMatchObject({ length: 1 });
  caller.close();
});

test("200 looks at many streams at once: none waits for an answer that never comes", async () => {
  const redis = rawRedis();
  const key = uniqueKey("bulk");
  const streams = Array.from({ length: 60 }, (_, n) => `${key}:${n}`);
  for (const stream of streams) {
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    for (let n = 0; n < 3; n++) await redis.xadd(stream, `${n + 1}-0`, "a", "x".repeat(500));
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 1, "STREAMS", stream, ">");
  }
  const connection = await openConnection();
  const { signal } = new AbortController();
  const request = { streams, named: new Set<string>(), countLimit: 1_000, signal };
  const look = async (): Promise<GroupLag[]> => {
    const rows: GroupLag[] = [];
    for await (const row of groupLags(connection, request)) rows.push(row);
    return rows;
  };
  const first = await look();
  expect(first).toHaveLength(60);
  for (let round = 0; round < 50; round++) {
    const looks = await Promise.all([look(), look(), look(), look()]);
    for (const rows of looks)
      expect(rows.map(({ lag, pending }) => [lag, pending])).toEqual(first.map(() => [2, 1]));
  }
});
