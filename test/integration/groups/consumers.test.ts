import { describe, expect, test } from "vitest";
import { groupName } from "../../../src/entry/names.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { restoreGroup } from "../../../src/redis/ops/restore-group.ts";
import { openConnection } from "../../support/connection.ts";
import { pendingRows, pendingStream } from "../../support/pending.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";

type Raw = ReturnType<typeof rawRedis>;

async function consumersOf(redis: Raw, key: string): Promise<string[]> {
  const consumers = (await redis.xinfo("CONSUMERS", key, "g")) as string[][];
  return consumers.map((info) => info[info.indexOf("name") + 1] as string).sort();
}

describe("group consumers", () => {
  test("lists them, and marks those that hold entries and have long been silent", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    await redis.xreadgroup("GROUP", "g", "idle", "STREAMS", key, "0");
    await until("some time has passed", async () => {
      const rows = ndjson((await cli(["group", "consumers", key, "-g", "g"])).stdout);
      return rows.every(({ idleMs }) => (idleMs as number) >= 60);
    });
    await redis.xclaim(key, "g", "b", 0, "2-0", "JUSTID");
    const { code, stdout, stderr } = await cli([
      "group",
      "consumers",
      key,
      "-g",
      "g",
      "--dead-after",
      "60ms",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = ndjson(stdout);
    expect(rows[0]).toEqual({
      stream: key,
      group: "g",
      consumer: "a",
      pending: 2,
      idleMs: expect.any(Number),
      inactiveMs: rows[0]?.["inactiveMs"] === null ? null : expect.any(Number),
      looksDead: true,
      host: null,
      pid: null,
      version: null,
      startedAt: null,
      running: null,
      runningSince: null,
      ratePerSecond: null,
      lastError: null,
      lastErrorAt: null,
      workers: 0,
    });
    const dead = rows.map(({ consumer, looksDead }) => [consumer, looksDead]);
    expect(dead).toContainEqual(["a", true]);
    expect(dead).not.toContainEqual(["idle", true]);
    const calm = ndjson((await cli(["group", "consumers", key, "-g", "g"])).stdout);
    expect(calm.some(({ looksDead }) => looksDead)).toBe(false);
  });

  test("patterns, every group, and a terminal", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xgroup("CREATE", key, "h", "0");
    await redis.xreadgroup("GROUP", "h", "c", "COUNT", 1, "STREAMS", key, ">");
    const rows = ndjson((await cli(["group", "consumers", `${key}*`])).stdout);
    expect(rows.map(({ group, consumer }) => [group, consumer])).toEqual([
      ["g", "a"],
      ["g", "b"],
      ["h", "c"],
    ]);
    const { stdout } = await cli(["group", "consumers", key, "--dead-after", "0"], { columns: 120 });
    expect(stdout).toContain("CONSUMER");
    expect(stdout).toContain("looks dead");
  });

  test("a missing stream or group: exit 4", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const group = await cli(["group", "consumers", key, "-g", "billing"]);
    expect(group.code).toBe(4);
    expect(group.stderr).toContain(`no group "billing" on ${key}: groups are g`);
    expect((await cli(["group", "consumers", uniqueKey(), "-g", "g"])).code).toBe(4);
  });
});

describe("group forget-consumer", () => {
  test("removes one that holds nothing", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xack(key, "g", "1-0");
    const { code, stdout } = await cli(["group", "forget-consumer", key, "a", "-g", "g"]);
    expect(code).toBe(0);
    expect(ndjson(stdout)).toEqual([
      { stream: key, group: "g", consumer: "a", claimedTo: null, moved: 0, dropped: 0 },
    ]);
    expect(await consumersOf(redis, key)).toEqual(["b"]);
  });

  test("refuses while it holds entries", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    const { code, stderr } = await cli(["group", "forget-consumer", key, "a", "-g", "g"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`a holds 2 pending entries of g on ${key}: --claim-to CONSUMER`);
    expect(await consumersOf(redis, key)).toEqual(["a", "b"]);
    expect(await pendingRows(redis, key)).toHaveLength(3);
  });

  test("--claim-to moves every entry first, over several steps, and acks what has no data", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 700);
    await redis.xdel(key, "1-0", "699-0");
    const argv = ["group", "forget-consumer", key, "a", "-g", "g", "--claim-to", "z"];
    const { code, stdout } = await cli(argv);
    expect(code).toBe(0);
    expect(ndjson(stdout)).toEqual([
      { stream: key, group: "g", consumer: "a", claimedTo: "z", moved: 348, dropped: 2 },
    ]);
    expect(await consumersOf(redis, key)).toEqual(["b", "z"]);
    const rows = await pendingRows(redis, key);
    expect(rows).toHaveLength(698);
    expect(rows.filter(([, owner]) => owner === "z").every(([, , deliveries]) => deliveries === 1)).toBe(
      true,
    );
  });

  test("loses nothing of a consumer that goes on reading", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const reader = rawRedis();
    const delivered: string[] = [];
    const reading = new AbortController();
    const readAll = (async () => {
      for (let n = 1; !reading.signal.aborted; n++) {
        await reader.xadd(key, `${n}-0`, "n", String(n));
        const reply = (await reader.xreadgroup("GROUP", "g", "a", "COUNT", 10, "STREAMS", key, ">")) as
          | [string, [string, string[]][]][]
          | null;
        for (const [id] of reply?.[0]?.[1] ?? []) delivered.push(id);
      }
    })();
    for (let round = 0; round < 20; round++) {
      const before = delivered.length;
      await until("more was delivered", () => delivered.length > before + 20);
      const { code } = await cli(["group", "forget-consumer", key, "a", "-g", "g", "--claim-to", "z"]);
      expect(code).toBe(0);
    }
    reading.abort();
    await readAll;
    const pending = (await pendingRows(redis, key)).map(([id]) => id);
    expect(pending).toEqual(delivered);
  });

  test("a missing consumer, group or stream: exit 4; the same name twice: exit 2", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const consumer = await cli(["group", "forget-consumer", key, "x", "-g", "g"]);
    expect(consumer.code).toBe(4);
    expect(consumer.stderr).toContain(`no consumer "x" in group "g" on ${key}: consumers are a, b`);
    expect((await cli(["group", "forget-consumer", key, "a", "-g", "h"])).code).toBe(4);
    expect((await cli(["group", "forget-consumer", uniqueKey(), "a", "-g", "g"])).code).toBe(4);
    expect((await cli(["group", "forget-consumer", key, "a"])).code).toBe(2);
    expect((await cli(["group", "forget-consumer", key, "a", "-g", "g", "--claim-to", "a"])).code).toBe(2);
  });
});

describe("what a removed consumer had among the holders of its group", () => {
  const flags = ["-g", "g"];

  test.each([
    ["--all-empty", (key: string) => [key, ...flags, "--all-empty", "--idle", "0", "-y"]],
    ["by its name", (key: string) => [key, "old", ...flags]],
    ["--claim-to", (key: string) => [key, "old", ...flags, "--claim-to", "a"]],
  ])("%s: what was acked by hand is not delivered again", async (_, line) => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    const holders = `${key}:held:g`;
    await redis.xclaim(key, "g", "old", 0, "1-0", "2-0", "JUSTID");
    await redis.hset(holders, { "1-0": "3 - old", "2-0": "2 - old", "lost old": "1", last: "3-0" });
    await redis.xack(key, "g", "1-0");
    if (!line(key).includes("--claim-to")) await redis.xclaim(key, "g", "a", 0, "2-0", "JUSTID");
    expect((await cli(["group", "forget-consumer", ...line(key)])).code).toBe(0);
    expect(await consumersOf(redis, key)).not.toContain("old");
    // Still pending, it belongs to whoever has it now.
    expect(await redis.hgetall(holders)).toEqual({ "2-0": "1 - a", last: "3-0" });
    await redis.xack(key, "g", "2-0");
    const connection = await openConnection();
    const member = { group: groupName("g"), consumer: "w", holders: () => holders };
    await restoreGroup(connection, key, member, undefined, []);
    expect((await pendingRows(redis, key)).map(([id]) => id)).toEqual(["3-0"]);
  });

  test("the last one takes holders along that name no entry", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await redis.xadd(key, "1-0", "n", "1");
    await redis.xreadgroup("GROUP", "g", "old", "STREAMS", key, ">");
    await redis.xack(key, "g", "1-0");
    await redis.hset(`${key}:held:g`, { "1-0": "3 - old", last: "3-0" });
    expect((await cli(["group", "forget-consumer", key, "old", ...flags])).code).toBe(0);
    expect(await redis.exists(`${key}:held:g`)).toBe(0);
  });

  test("a user who may not see the holders removes consumers all the same", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const holders = `${key}:held:g`;
    await redis.hset(holders, { "1-0": "3 - a", last: "3-0" });
    for (const rules of [[`~${key}`], [`~${key}*`, "-@hash"]]) {
      const { url } = await userWith(redis, ["+@all", ...rules]);
      for (const owner of ["empty", "a"]) await redis.xclaim(key, "g", owner, 0, "1-0", "JUSTID");
      const argv = ["group", "forget-consumer", key, "empty", ...flags];
      expect(await cli(argv, { url })).toMatchObject({ code: 0 });
      expect(await consumersOf(redis, key)).toEqual(["a", "b"]);
    }
    expect(await redis.hget(holders, "1-0")).toBe("3 - a");
  });
});

describe("group forget-consumer --all-empty", () => {
  const line = (key: string, ...more: string[]): string[] => [
    "group",
    "forget-consumer",
    key,
    "-g",
    "g",
    "--all-empty",
    ...more,
  ];

  test("removes those that hold nothing, and none that holds an entry", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    for (const owner of ["old-1", "old-2", "a"]) await redis.xclaim(key, "g", owner, 0, "1-0", "JUSTID");
    const { code, stdout, stderr } = await cli(line(key, "--idle", "0", "-y"));
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "streamctl: removed 2 consumers of g on " + key + "\n",
    });
    expect(ndjson(stdout)).toEqual(
      ["old-1", "old-2"].map((consumer) => ({
        stream: key,
        group: "g",
        consumer,
        claimedTo: null,
        moved: 0,
        dropped: 0,
      })),
    );
    expect(await consumersOf(redis, key)).toEqual(["a", "b"]);
    expect(await pendingRows(redis, key)).toHaveLength(2);
  });

  test("keeps those that were heard of within --idle, which is a day unless said otherwise", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xack(key, "g", "1-0");
    const { code, stdout, stderr } = await cli(line(key, "-y"));
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toBe(`streamctl: no consumer of g on ${key} is empty and was not heard of for 1d\n`);
    expect(await consumersOf(redis, key)).toEqual(["a", "b"]);
    const shown = await cli(line(key, "-y"), { columns: 80 });
    expect(shown).toMatchObject({ stdout: "", stderr });
  });

  test("thousands go, by steps", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const pipeline = redis.pipeline();
    for (let n = 0; n < 1_200; n++) pipeline.xclaim(key, "g", `old-${n}`, 0, "1-0", "JUSTID");
    await pipeline.exec();
    const { code, stdout } = await cli(line(key, "--idle", "0", "-y"));
    expect(code).toBe(0);
    // a, too: the claims left it with nothing.
    expect(ndjson(stdout)).toHaveLength(1_200);
    expect(await consumersOf(redis, key)).toEqual(["b", "old-1199"]);
  });

  test("--dry-run tells the same and removes nothing; without -y it asks", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xack(key, "g", "1-0");
    const dry = await cli(line(key, "--idle", "0", "--dry-run"));
    expect(dry.code).toBe(0);
    expect(ndjson(dry.stdout).map(({ consumer }) => consumer)).toEqual(["a"]);
    expect(dry.stderr).toContain(`would remove 1 consumer of g on ${key}`);
    const unasked = await cli(line(key, "--idle", "0"));
    expect(unasked.code).toBe(2);
    expect(unasked.stderr).toContain("-y");
    expect(await consumersOf(redis, key)).toEqual(["a", "b"]);
  });

  test("a consumer that reads meanwhile loses nothing", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const reader = rawRedis();
    const delivered: string[] = [];
    const reading = new AbortController();
    const readAll = (async () => {
      for (let n = 1; !reading.signal.aborted; n++) {
        await reader.xadd(key, `${n}-0`, "n", String(n));
        await reader.xreadgroup("GROUP", "g", `c${n % 5}`, "COUNT", 1, "STREAMS", key, ">");
        if (n % 3 === 0) await reader.xack(key, "g", `${n}-0`);
        else delivered.push(`${n}-0`);
      }
    })();
    for (let round = 0; round < 20; round++) {
      const before = delivered.length;
      await until("more was delivered", () => delivered.length > before + 10);
      expect((await cli(line(key, "--idle", "0", "-y"))).code).toBe(0);
    }
    reading.abort();
    await readAll;
    expect((await pendingRows(redis, key)).map(([id]) => id)).toEqual(delivered);
  });

  test("wrong lines: exit 2; a missing group or stream: exit 4", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    for (const wrong of [
      ["group", "forget-consumer", key, "-g", "g"],
      ["group", "forget-consumer", key, "a", "-g", "g", "--all-empty"],
      ["group", "forget-consumer", key, "a", "-g", "g", "--idle", "1d"],
      ["group", "forget-consumer", key, "a", "-g", "g", "--dry-run"],
      ["group", "forget-consumer", key, "--all-empty"],
      line(key, "--claim-to", "b"),
    ])
      expect((await cli(wrong)).code, wrong.join(" ")).toBe(2);
    expect((await cli(["group", "forget-consumer", key, "-g", "h", "--all-empty", "-y"])).code).toBe(4);
    expect((await cli(line(uniqueKey(), "-y"))).code).toBe(4);
  });
});
