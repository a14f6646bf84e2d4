import { expect, test } from "vitest";
import { findFacts } from "../../../src/engine/lag/facts.ts";
import { type Asker, findGroups } from "../../../src/engine/lag/find-groups.ts";
import { ask } from "../../../src/redis/ops/ask.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { rawRedis } from "../../support/redis.ts";

test("a group that goes between two looks is left out, unless its stream was named", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xadd(stream, "1-0", "a", "1");
  for (const group of ["stays", "goes"]) {
    await redis.xgroup("CREATE", stream, group, "0");
    await redis.xreadgroup("GROUP", group, "c", "STREAMS", stream, ">");
  }
  const connection = await openConnection();
  const asker: Asker = (questions) => ask(connection, undefined, questions);
  const groups = await findGroups(connection, asker, [stream], { named: new Set() });
  expect(groups.map(({ group }) => group.name).toSorted()).toEqual(["goes", "stays"]);
  await redis.xgroup("DESTROY", stream, "goes");
  const facts = await findFacts(connection, asker, groups, new Set());
  expect(new Set(facts.map((fact) => fact?.oldestPendingId))).toEqual(new Set(["1-0", undefined]));
  const error = await rejection(findFacts(connection, asker, groups, new Set([stream])));
  expect(error).toMatchObject({ kind: "notFound", message: `no group "goes" on ${stream}` });
});

test("the highest delivery count is looked for beyond the first page of a pending list", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  for (let n = 1; n <= 1_500; n++) void redis.xadd(stream, `${n}-0`, "a", "1");
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
  await redis.xclaim(stream, "g", "c", 0, "1400-0", "RETRYCOUNT", 7, "JUSTID");
  const connection = await openConnection();
  const asker: Asker = (questions) => ask(connection, undefined, questions);
  const groups = await findGroups(connection, asker, [stream], { named: new Set() });
  const [facts] = await findFacts(connection, asker, groups, new Set());
  expect(facts).toEqual({ oldestPendingId: "1-0", maxDeliveries: 7 });
});
