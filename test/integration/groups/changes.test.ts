import { type GroupStart, parseGroupStart } from "../../../src/engine/groups/start.ts";
import { describe, expect, test } from "vitest";
import { applyPosition, planPosition } from "../../../src/engine/groups/position.ts";
import { type StreamKey, groupName } from "../../../src/entry/names.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { pendingStream } from "../../support/pending.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

type Raw = ReturnType<typeof rawRedis>;

async function positionOf(redis: Raw, key: string, group = "g"): Promise<string | undefined> {
  const groups = (await redis.xinfo("GROUPS", key)) as string[][];
  const found = groups.find((info) => info[info.indexOf("name") + 1] === group);
  return found?.[found.indexOf("last-delivered-id") + 1];
}

/** A stream with the entries `1-0` to `10-0` and a group g that was given the first four, none pending. */
async function readToFour(redis: Raw): Promise<StreamKey> {
  const key = uniqueKey();
  for (let n = 1; n <= 10; n++) await redis.xadd(key, `${n}-0`, "n", String(n));
  await redis.xgroup("CREATE", key, "g", "4-0");
  return key;
}

const AFTER_6 = parseGroupStart("6-0") as GroupStart;

describe("group create", () => {
  test.each([
    [[], "0-0"],
    [["--at", "0"], "0-0"],
    [["--at", "$"], "10-0"],
    [["--at", "7-3"], "7-3"],
  ])("%j begins after %s", async (flags, position) => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const { code, stdout, stderr } = await cli(["group", "create", key, "new", ...flags]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(ndjson(stdout)).toEqual([{ stream: key, group: "new", lastDeliveredId: position, created: true }]);
    expect(await positionOf(redis, key, "new")).toBe(position);
  });

  test("a stream that is not there: exit 4, and made with --mkstream", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const refused = await cli(["group", "create", key, "g"]);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain(`no such stream: ${key}: --mkstream makes it, empty`);
    expect(await redis.exists(key)).toBe(0);
    expect((await cli(["group", "create", key, "g", "--mkstream"])).code).toBe(0);
    expect(await positionOf(redis, key)).toBe("0-0");
  });

  test("several streams and patterns; one that fails does not keep the others from it: exit 5", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const names = [1, 2, 3].map((n) => `${key}:${n}`);
    for (const name of [...names, `${key}:1:dlq`]) await redis.xadd(name, "1-0", "a", "1");
    const some = await cli(["group", "create", names[0] as string, `${key}:none`, "g"]);
    expect(some.code).toBe(5);
    expect(some.stderr).toContain(`no such stream: ${key}:none`);
    const all = await cli(["group", "create", `${key}:*`, "g", "--at", "$", "--if-missing"]);
    expect(all.code).toBe(0);
    expect(ndjson(all.stdout).map((row) => [row["stream"], row["created"], row["lastDeliveredId"]])).toEqual([
      [names[0], false, "0-0"],
      [names[1], true, "1-0"],
      [names[2], true, "1-0"],
    ]);
    expect(await redis.xinfo("GROUPS", `${key}:1:dlq`)).toEqual([]);
    expect((await cli(["group", "create", `${key}:*`, "g"])).code).toBe(1);
    expect((await cli(["group", "create", "g"])).code).toBe(2);
  });

  test("--if-missing survives a lost reply", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("CREATE");
    const run = cli(["group", "create", key, "g", "--mkstream", "--if-missing"], { url: proxy.url });
    await lost;
    expect((await run).code).toBe(0);
    expect(await positionOf(redis, key)).toBe("0-0");
  });

  test("a group that exists stays where it is", async () => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const { code, stderr } = await cli(["group", "create", key, "g", "--at", "0"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`group "g" exists on ${key} already, at 4-0`);
    expect(await positionOf(redis, key)).toBe("4-0");
  });

  test("a key of another type, a bad position", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.set(key, "x");
    const wrong = await cli(["group", "create", key, "g"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(`${key} is a string, not a stream`);
    expect((await cli(["group", "create", key, "g", "--at", "soon"])).code).toBe(2);
  });
});

describe("group set-id", () => {
  test.each([
    ["9-0", "9-0", "skip", 5],
    ["$", "10-0", "skip", 6],
    ["2-0", "2-0", "replay", 2],
    ["0", "0-0", "replay", 4],
    ["4", "4-0", "none", 0],
  ])("--at %s: what it does is shown and done", async (at, to, effect, entries) => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const plan = {
      stream: key,
      group: "g",
      from: "4-0",
      to,
      effect,
      entries,
      entriesAtLeast: null,
      pending: 0,
    };
    const dry = await cli(["group", "set-id", key, "g", "--at", at, "--dry-run"]);
    expect(dry.code).toBe(0);
    expect(ndjson(dry.stdout)).toEqual([plan]);
    expect(await positionOf(redis, key)).toBe("4-0");
    const real = await cli(["group", "set-id", key, "g", "--at", at, "-y"]);
    expect(real.code).toBe(0);
    expect(ndjson(real.stdout)).toEqual([plan]);
    expect(await positionOf(redis, key)).toBe(to);
  });

  test("refuses without a terminal and -y", async () => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const { code, stderr } = await cli(["group", "set-id", key, "g", "--at", "$"]);
    expect(code).toBe(2);
    expect(stderr).toContain("the group never gets the 6 entries in between");
    expect(await positionOf(redis, key)).toBe("4-0");
  });

  test("a group that has moved is not set by a plan that is no longer true", async () => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const connection = await openConnection();
    const plan = await planPosition(connection, key, groupName("g"), AFTER_6, new AbortController().signal);
    expect(plan).toMatchObject({ effect: "skip", entries: 2 });
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 5, "STREAMS", key, ">");
    expect(await applyPosition(connection, plan), "it would be a replay now").toBe(false);
    expect(await positionOf(redis, key)).toBe("9-0");
    const again = await planPosition(connection, key, groupName("g"), AFTER_6, new AbortController().signal);
    expect(again).toMatchObject({ effect: "replay", entries: 3, pending: 5 });
    expect(await applyPosition(connection, again)).toBe(true);
    expect(await positionOf(redis, key)).toBe("6-0");
  });

  test("a missing group, stream or --at", async () => {
    const redis = rawRedis();
    const key = await readToFour(redis);
    const group = await cli(["group", "set-id", key, "billing", "--at", "0", "-y"]);
    expect(group.code).toBe(4);
    expect(group.stderr).toContain(`no group "billing" on ${key}: groups are g`);
    expect((await cli(["group", "set-id", uniqueKey(), "g", "--at", "0", "-y"])).code).toBe(4);
    expect((await cli(["group", "set-id", key, "g"])).code).toBe(2);
  });
});

describe("group destroy", () => {
  test("shows what goes, refuses without -y, and does it", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    await redis.xadd(key, "4-0", "n", "4");
    const row = {
      stream: key,
      group: "g",
      consumers: 2,
      pending: 3,
      lag: 1,
      lagAtLeast: null,
      lastDeliveredId: "3-0",
    };
    const dry = await cli(["group", "destroy", key, "g", "--dry-run"]);
    expect(ndjson(dry.stdout)).toMatchObject([row]);
    expect(dry.stderr).toContain("would destroy");
    const refused = await cli(["group", "destroy", key, "g"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("3 pending, 1 undelivered, 2 consumers");
    expect(await positionOf(redis, key)).toBe("3-0");
    const real = await cli(["group", "destroy", key, "g", "-y"]);
    expect(real.code).toBe(0);
    expect(ndjson(real.stdout)).toMatchObject([row]);
    expect(await positionOf(redis, key)).toBeUndefined();
    expect((await cli(["group", "destroy", key, "g", "-y"])).code).toBe(4);
  });

  test("says 1 consumer of one", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const { stderr } = await cli(["group", "destroy", key, "g", "-y"]);
    expect(stderr).toMatch(/1 pending, 0 undelivered, 1 consumer$/m);
  });
});
