import { describe, expect, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { group, numbered, type Raw, row } from "./support.ts";

async function firstId(redis: Raw, stream: string): Promise<string | undefined> {
  return (await redis.xrange(stream, "-", "+", "COUNT", 1))[0]?.[0];
}

describe("trim without groups", () => {
  test.each([
    [["--maxlen", "40"], 60],
    [["--maxlen", "90"], 10],
    [["--maxlen", "100"], 0],
    [["--maxlen", "500"], 0],
    [["--maxlen", "0"], 100],
    [["--min-id", "31-1"], 30],
    [["--min-id", "31"], 30],
    [["--min-id", "31-2"], 31],
    [["--max-age", "7d"], 100],
  ])("%j removes the oldest and nothing else", async (flags, removed) => {
    const redis = rawRedis();
    const stream = await numbered(redis, 100);
    const dry = await row(stream, ...flags, "--exact", "--dry-run");
    expect(dry).toMatchObject({ stream, removed: 0, length: 100, wouldRemove: removed });
    expect(await redis.xlen(stream)).toBe(100);
    const done = await row(stream, ...flags, "--exact");
    expect(Object.keys(done)).toEqual(["stream", "removed", "length", "boundId", "heldBy", "wouldRemove"]);
    expect(done).toMatchObject({ stream, removed, length: 100 - removed, heldBy: null, wouldRemove: null });
    expect(await firstId(redis, stream)).toBe(removed === 100 ? undefined : `${removed + 1}-1`);
  });

  test("--max-age goes by the server's clock and keeps what is younger", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await redis.xadd(stream, "*", "n", "now");
    expect(await row(stream, "--max-age", "1h", "--exact")).toMatchObject({ removed: 10, length: 1 });
  });

  test("without --exact only whole nodes go, and never more than asked", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 1_050);
    const { removed } = await row(stream, "--maxlen", "510");
    expect(removed).toBeGreaterThan(400);
    expect(removed).toBeLessThanOrEqual(540);
    expect(await redis.xlen(stream)).toBe(1_050 - Number(removed));
  });

  test("whole nodes only: when there is none to remove it says so, and --exact removes the rest", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 90);
    const dry = await cli(["trim", stream, "--maxlen", "10", "--dry-run"]);
    expect(dry.stderr).toContain(`${stream}: at most 80 would go, perhaps none`);
    const { code, stdout, stderr } = await cli(["trim", stream, "--maxlen", "10"]);
    // Before 6.2 there is no trimming by ID, and entries go one by one.
    const [before] = ndjson(stdout).map((line) => line["removed"]);
    expect(code).toBe(0);
    expect(stderr.includes(`${stream}: nothing was removed`)).toBe(before === 0);
    const exact = await cli(["trim", stream, "--maxlen", "10", "--exact"]);
    expect(exact).toMatchObject({ code: 0, stderr: "" });
    expect(await redis.xlen(stream)).toBe(10);
  });

  test("-q prints nothing at all when all went well, and rows when -o asks for them", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 300);
    await group(redis, stream, "slow", 30);
    const quiet = await cli(["trim", stream, "--maxlen", "10", "--exact", "-q"]);
    expect(quiet).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await redis.xlen(stream)).toBe(270);
    const forced = await cli(["trim", stream, "--maxlen", "10", "--exact", "--force", "-y", "-q"]);
    expect(forced).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const argv = ["trim", stream, "--maxlen", "5", "--exact", "--force", "-y", "-q", "--json"];
    const rows = await cli(argv);
    expect(JSON.parse(rows.stdout)).toMatchObject([{ stream, removed: 5 }]);
  });

  test("a long stream goes step by step, exactly", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 35_000);
    expect(await row(stream, "--maxlen", "7", "--exact")).toMatchObject({ removed: 34_993, length: 7 });
  });
});

describe("trim and what groups still need", () => {
  test("stops at what a group has not been given, and names it", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 100);
    await group(redis, stream, "fast", 100);
    await group(redis, stream, "slow", 30);
    const expected = { boundId: "31-1", heldBy: "slow" };
    const dry = await row(stream, "--maxlen", "10", "--exact", "--dry-run");
    expect(dry).toMatchObject({ ...expected, wouldRemove: 30, length: 100 });
    expect(await row(stream, "--maxlen", "10", "--exact")).toMatchObject({
      ...expected,
      removed: 30,
      length: 70,
    });
    const { stderr } = await cli(["trim", stream, "--maxlen", "10", "--exact"]);
    expect(stderr).toMatch(/kept from 31-1 on \(.* ago\): group slow has not been given it/);
  });

  test("stops at what is pending, however much was acked after it", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 100);
    await group(redis, stream, "g", 100, ["12-1", "50-1"]);
    expect(await row(stream, "--max-age", "1d", "--exact")).toMatchObject({
      removed: 11,
      boundId: "12-1",
      heldBy: "g",
    });
    const { stderr } = await cli(["trim", stream, "--maxlen", "1", "--exact"]);
    expect(stderr).toMatch(/group g has not acked it: pending for c, idle for/);
  });

  test("a group that has read everything holds nothing, also past the end of the stream", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await group(redis, stream, "g", 10);
    expect(await row(stream, "--max-age", "1d", "--exact")).toMatchObject({ removed: 10, heldBy: null });
    const other = await numbered(redis, 10);
    await redis.xgroup("CREATE", other, "g", "18446744073709551614-18446744073709551615");
    expect(await row(other, "--maxlen", "3", "--exact")).toMatchObject({ removed: 7, heldBy: null });
  });

  test("a group at the beginning holds everything", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await redis.xgroup("CREATE", stream, "new", "0");
    expect(await row(stream, "--maxlen", "0")).toMatchObject({ removed: 0, boundId: "1-1", heldBy: "new" });
  });

  test("--force asks first; a dry run tells what each group would lose", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 100);
    await group(redis, stream, "fast", 100);
    await group(redis, stream, "slow", 30, ["5-1", "6-1"]);
    const flags = [stream, "--maxlen", "10", "--exact", "--force"];
    const dry = await cli(["trim", ...flags, "--dry-run"]);
    expect(dry.code).toBe(0);
    expect(dry.stderr).toContain(
      "group slow would lose 60 entries it has not been given and 2 it has not acked",
    );
    expect(dry.stderr).not.toContain("group fast");
    const refused = await cli(["trim", ...flags]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("group slow would lose 60 entries it has not been given and 2");
    expect(refused.stderr).toContain(`Trim 90 entries from ${stream}, and with them 62 that groups`);
    expect(await redis.xlen(stream)).toBe(100);
    expect(await row(...flags, "-y")).toMatchObject({ removed: 90, heldBy: null });
  });

  test("a group that is made at the beginning while it trims keeps all that it could read then", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 60_000);
    const proxy = await Proxy.start();
    const run = cli(["trim", stream, "--min-id", "60000-1", "--exact"], { url: proxy.url });
    await proxy.holdWhen(async () => (await redis.xlen(stream)) < 60_000);
    await redis.xgroup("CREATE", stream, "late", "0");
    proxy.release();
    const first = await firstId(redis, stream);
    const { stdout, stderr } = await run;
    expect(ndjson(stdout)[0]).toMatchObject({ boundId: first, heldBy: "late" });
    expect(stderr).toContain("group late has not been given it");
    expect(await firstId(redis, stream)).toBe(first);
    expect(first).not.toBe("60000-1");
  });

  test("while it is being read and written, no group loses an entry", async () => {
    const redis = rawRedis();
    const stream = uniqueKey("busy");
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    const total = 4_000;
    const got: number[] = [];
    const produce = async (): Promise<void> => {
      for (let n = 0; n < total; n += 50) {
        const pipeline = redis.pipeline();
        for (let i = n; i < n + 50; i++) pipeline.xadd(stream, "*", "n", String(i));
        await pipeline.exec();
      }
    };
    const consume = async (): Promise<void> => {
      const reader = rawRedis();
      await until(
        "all are read",
        async () => {
          const reply = await reader.xreadgroup("GROUP", "g", "c", "COUNT", 60, "STREAMS", stream, ">");
          for (const [, entries] of (reply ?? []) as [string, [string, string[] | null][]][]) {
            for (const [id, fields] of entries) {
              got.push(Number(fields?.[1] ?? Number.NaN));
              await reader.xack(stream, "g", id);
            }
          }
          return got.length >= total;
        },
        100_000,
      );
    };
    let trims = 0;
    const trim = async (): Promise<void> => {
      while (got.length < total) {
        await row(stream, ...(trims++ % 2 === 0 ? ["--maxlen", "5"] : ["--max-age", "1ms"]), "--exact");
      }
    };
    await Promise.all([produce(), consume(), trim()]);
    expect(got).toEqual(Array.from({ length: total }, (_, n) => n));
    expect(await redis.xlen(stream)).toBeLessThan(total);
    expect(trims).toBeGreaterThan(3);
  });
});

describe("trim, several streams and faults", () => {
  test("a stream that fails does not keep the others from being trimmed: exit 5", async () => {
    const redis = rawRedis();
    const first = await numbered(redis, 10);
    const list = uniqueKey("list");
    await redis.lpush(list, "x");
    const second = await numbered(redis, 10);
    const names = [first, `${first}:nowhere`, list, second];
    const { code, stdout, stderr } = await cli(["trim", ...names, "--maxlen", "4", "--exact"]);
    expect(code).toBe(5);
    expect(ndjson(stdout).map(({ stream, removed }) => [stream, removed])).toEqual([
      [first, 6],
      [second, 6],
    ]);
    expect(stderr).toContain(`no such stream: ${first}:nowhere`);
    expect(stderr).toContain(`${list} is a list, not a stream`);
    expect((await cli(["trim", `${first}:nowhere`, "--maxlen", "4"])).code).toBe(4);
    expect((await cli(["trim", `${first}:nowhere`, "--max-age", "4d"])).code).toBe(4);
    expect((await cli(["trim", list, "--max-age", "4d"])).code).toBe(1);
    const none = await cli(["trim", list, `${first}:nowhere`, "--maxlen", "4"]);
    expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining(`${list} is a list`) });
  });

  test("a server that goes away ends it: exit 3, after one wait", async () => {
    const redis = rawRedis();
    const streams = [await numbered(redis, 10), await numbered(redis, 10), await numbered(redis, 10)];
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(streams[0] as string);
    const argv = ["trim", ...streams, "--min-id", "5-1", "--exact", "--connect-timeout", "3s"];
    const run = cli(argv, { url: proxy.url });
    await lost;
    proxy.refuse();
    const { code, stderr } = await run;
    expect(code).toBe(3);
    expect(stderr.match(/error:/g)).toHaveLength(1);
  });

  test("patterns", async () => {
    const redis = rawRedis();
    const base = uniqueKey("many");
    for (const n of [1, 2]) await redis.xadd(`${base}:${n}`, "1-1", "a", "1");
    const { stdout } = await cli(["trim", `${base}:*`, "--maxlen", "0", "--exact"]);
    expect(ndjson(stdout).map((line) => [line["stream"], line["removed"]])).toEqual([
      [`${base}:1`, 1],
      [`${base}:2`, 1],
    ]);
  });

  test("a pattern leaves out dead-letter queues, unless it is one for them", async () => {
    const redis = rawRedis();
    const stream = uniqueKey("lost");
    for (const key of [stream, `${stream}:dlq`]) await redis.xadd(key, "1-1", "a", "1");
    const flags = ["--maxlen", "0", "--exact"];
    const first = await cli(["trim", `${stream}*`, ...flags]);
    expect(ndjson(first.stdout)).toMatchObject([{ stream, removed: 1 }]);
    expect(first.stderr).toContain("1 dead-letter queue");
    expect((await cli(["trim", `${stream}:*`, ...flags])).code).toBe(4);
    expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
    expect((await cli(["trim", `${stream}*:dlq`, ...flags])).code).toBe(0);
    expect(await redis.xlen(`${stream}:dlq`)).toBe(0);
    await redis.xadd(`${stream}:dlq`, "2-1", "a", "1");
    expect((await cli(["trim", `${stream}:dlq`, `${stream}*`, ...flags])).code).toBe(0);
    expect(await redis.xlen(`${stream}:dlq`)).toBe(0);
  });

  test("--fail-if-held: exit 6 and a word, also with -q, where a group keeps everything; 0 where some went", async () => {
    const redis = rawRedis();
    const held = await numbered(redis, 10);
    await redis.xgroup("CREATE", held, "new", "0");
    const partly = await numbered(redis, 10);
    await group(redis, partly, "slow", 4);
    const flags = ["--maxlen", "1", "--exact", "-q", "--fail-if-held"];
    for (const more of [["--dry-run"], []]) {
      const { code, stderr } = await cli(["trim", held, partly, ...flags, ...more]);
      expect(code).toBe(6);
      expect(stderr).toContain(`${held}: kept from 1-1 on`);
      expect(stderr).not.toContain(partly);
    }
    const rest = await numbered(redis, 10);
    await group(redis, rest, "slow", 4);
    expect(await cli(["trim", rest, ...flags])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await cli(["trim", held, ...flags.slice(0, -1)])).code).toBe(0);
    const forced = await cli(["trim", held, ...flags, "--force", "-y"]);
    expect(forced).toMatchObject({ code: 0, stderr: "" });
  });

  test("exactly one bound must be given", async () => {
    expect((await cli(["trim", "s"])).code).toBe(2);
    expect((await cli(["trim", "s", "--maxlen", "1", "--max-age", "1d"])).code).toBe(2);
    expect((await cli(["trim", "s", "--min-id", "soon"])).code).toBe(2);
  });

  test("a lost reply: it goes on, and no more goes than was asked", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 500);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(stream);
    const argv = ["trim", stream, "--min-id", "401-1", "--exact", "-q"];
    expect((await cli(argv, { url: proxy.url })).code).toBe(0);
    await lost;
    expect(await firstId(redis, stream)).toBe("401-1");
  });

  test("Ctrl-C stops it with the row of what went", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 50_000);
    const proxy = await Proxy.start();
    const run = new CliRun(["trim", stream, "--min-id", "50000-1"], { url: proxy.url });
    await proxy.holdWhen(async () => (await redis.xlen(stream)) < 50_000);
    run.signal("SIGINT");
    proxy.release();
    const { code, stdout } = await run.done;
    expect(code).toBe(130);
    expect(ndjson(stdout)[0]).toMatchObject({ removed: 50_000 - (await redis.xlen(stream)) });
  });
});
