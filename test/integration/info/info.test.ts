import { expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { pendingStream } from "../../support/pending.ts";
import { rawRedis } from "../../support/redis.ts";

test("tells everything about a stream and its groups", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 3);
  await redis.xadd(key, "4-0", "n", "4");
  await redis.xdel(key, "2-0");
  await redis.pexpire(key, 600_000);
  const { code, stdout, stderr } = await cli(["info", key]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [row] = ndjson(stdout);
  const knows = /redis_version:[78]\./.test(await redis.info("server"));
  expect(row).toEqual({
    stream: key,
    length: 3,
    firstId: "1-0",
    firstAgeMs: null,
    lastId: "4-0",
    lastAgeMs: null,
    lastGeneratedId: "4-0",
    memoryBytes: expect.any(Number),
    expiresInMs: expect.any(Number),
    entriesAdded: knows ? 4 : null,
    maxDeletedId: knows ? "2-0" : null,
    recordedFirstId: knows ? "1-0" : null,
    radixKeys: 1,
    radixNodes: 2,
    entriesPerBlock: 3,
    consumers: 2,
    groups: [
      {
        group: "g",
        lag: 1,
        lagAtLeast: null,
        consumers: 2,
        pending: 3,
        oldestPendingMs: null,
        oldestUndeliveredMs: null,
        maxDeliveries: 1,
        lastDeliveredId: "3-0",
        paused: false,
        pausedSince: null,
        pausedUntil: null,
        pausedBy: null,
        pausedReason: null,
      },
    ],
  });
});

test("ages by the server's clock, and how full the blocks are", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  const pipeline = redis.pipeline();
  for (let n = 0; n < 250; n++) pipeline.xadd(key, "*", "n", String(n));
  await pipeline.exec();
  const [row] = ndjson((await cli(["info", key])).stdout);
  expect(row).toMatchObject({ length: 250, radixKeys: 3, entriesPerBlock: 83.3, groups: [] });
  expect(row?.["firstAgeMs"]).toBeGreaterThanOrEqual(row?.["lastAgeMs"] as number);
  expect(row?.["expiresInMs"]).toBeNull();
});

test("on a terminal: a sheet, then the groups", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 2);
  const { stdout } = await cli(["info", key, "--no-color"], { columns: 100 });
  expect(stdout).toMatch(/^entries +2$/m);
  expect(stdout).toMatch(/^first +1-0$/m);
  expect(stdout).toMatch(/^blocks +1 of 2 entries on average, \d+ tree nodes$/m);
  expect(stdout).toMatch(/^GROUP +LAG +CONSUMERS/m);
  expect(stdout).toMatch(/^g +0 +2 +2/m);
});

test("an emptied stream, patterns, a missing stream, another type", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xadd(`${key}:a`, "5-0", "n", "1");
  await redis.xtrim(`${key}:a`, "MAXLEN", 0);
  await redis.xadd(`${key}:b`, "1-0", "n", "1");
  await redis.set(`${key}:c`, "x");
  const rows = ndjson((await cli(["info", `${key}:*`])).stdout);
  expect(rows).toMatchObject([
    {
      stream: `${key}:a`,
      length: 0,
      firstId: null,
      lastId: null,
      lastGeneratedId: "5-0",
      entriesPerBlock: null,
    },
    { stream: `${key}:b`, length: 1 },
  ]);
  const missing = await cli(["info", `${key}:nowhere`]);
  expect(missing.code).toBe(4);
  expect(missing.stderr).toContain(`no such stream: ${key}:nowhere`);
  const wrong = await cli(["info", `${key}:c`]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("is a string, not a stream");
});
