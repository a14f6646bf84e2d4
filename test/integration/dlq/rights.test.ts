import { describe, expect, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";
import { longQueue, numbersIn, type Raw, upTo } from "./support.ts";

const READS = ["+xrange", "+xinfo", "+eval", "+evalsha", "+ping"];

/** The URL of a user who has these keys and rights and no others. */
async function userUrl(redis: Raw, keys: readonly string[], rights: readonly string[]): Promise<string> {
  return (await userWith(redis, [...keys.map((key) => `~${key}`), ...rights])).url;
}

async function queue(redis: Raw): Promise<{ stream: string; dlq: string }> {
  const stream = uniqueKey();
  const names = { stream, dlq: `${stream}:dlq` };
  await longQueue(redis, 10, names);
  return names;
}

describe("dlq replay by a user with few rights", () => {
  test.each([
    ["sweeping", ["--all"]],
    ["letter by letter", ["--reason", "~exit"]],
  ])("%s: who may add but not delete adds nothing: it would be there twice", async (_, flags) => {
    const redis = rawRedis();
    const { stream, dlq } = await queue(redis);
    const url = await userUrl(redis, [`${stream}*`], [...READS, "+xadd"]);
    const { code, stderr } = await cli(["dlq", "replay", stream, ...flags], { url });
    expect(code).toBe(1);
    expect(stderr).toContain(`no permission for XDEL on ${dlq}`);
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([0, 10]);
  });

  test.each([
    ["keys", []],
    ["commands", ["*"]],
  ])("without the right to count, as to %s, it replays, and says what it did", async (_, more) => {
    const redis = rawRedis();
    const { stream, dlq } = await queue(redis);
    const keys = [stream, dlq, ...more.map((end) => stream + end)];
    const url = await userUrl(redis, keys, [...READS, "+xadd", "+xdel"]);
    for (const [flags, replayed] of [
      [["--limit", "4"], 4],
      [["--all"], 6],
    ] as const) {
      const { code, stderr } = await cli(["dlq", "replay", stream, ...flags], { url });
      expect(code).toBe(0);
      expect(stderr).toContain(`replays are not counted: this user may not write ${stream}:replays`);
      expect(stderr).toContain(`replayed ${replayed} entries to ${stream} (`);
    }
    expect(await numbersIn(redis, stream)).toEqual(upTo(10));
  });

  test("a key of another type where replays are counted is no reason to stop half-way", async () => {
    const redis = rawRedis();
    const { stream } = await queue(redis);
    await redis.set(`${stream}:replays`, "mine");
    const { code, stderr } = await cli(["dlq", "replay", stream, "--all"]);
    expect(code).toBe(0);
    expect(stderr).toContain("replays are not counted:");
    expect(await numbersIn(redis, stream)).toEqual(upTo(10));
    expect(await redis.get(`${stream}:replays`)).toBe("mine");
  });

  test("who may mark but not unmark adds nothing: what could not be added would count as added", async () => {
    const redis = rawRedis();
    const { stream } = await queue(redis);
    await redis.xadd(stream, "*", "another", "entry");
    const rights = [...READS, "+zadd", "+zremrangebyscore", "+pexpire", "+exists", "+del"];
    const first = await userUrl(redis, [`${stream}*`], rights);
    expect((await cli(["dlq", "replay", stream, "--all", "--keep"], { url: first })).code).toBe(1);
    expect((await cli(["dlq", "replay", stream, "--all", "--keep"])).code).toBe(0);
    expect(await numbersIn(redis, stream)).toEqual(upTo(10));
  });
});
