import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { partitionOf } from "../../../src/engine/produce/partitions.ts";
import { cli, CliRun, openStdin, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";
import { numbered, numbers, valuesOf } from "./support.ts";

type Raw = ReturnType<typeof rawRedis>;

async function read(redis: Raw, key: string, count: number, ack = true): Promise<void> {
  const reply = await redis.xreadgroup("GROUP", "g", "c", "COUNT", count, "STREAMS", key, ">");
  const [[, entries]] = (reply ?? [["", []]]) as [[string, [string, string[]][]]];
  if (ack && entries.length > 0) await redis.xack(key, "g", ...entries.map(([id]) => id));
}

describe("writes that trim past a reader", () => {
  test.for([
    ["--maxlen", "100", 900],
    ["--max-age", "1h", 500],
  ] as const)("%s %s warns once, with the group and the number", async ([flag, value, lost], { skip }) => {
    const redis = rawRedis();
    const old = /redis_version:(5|6\.0)/.test(await redis.info("server"));
    skip(old && flag === "--max-age", "before Redis 6.2 XADD can't trim by age");
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await redis.xgroup("CREATE", key, "far", "18446744073709551615-0");
    const pipeline = redis.pipeline();
    for (let n = 1; n <= 500; n++) pipeline.xadd(key, `${n}-1`, "n", String(n));
    await pipeline.exec();
    const stdin = numbered(501, 1_000);
    const { code, stderr } = await cli(["produce", key, flag, value, "--exact", "-q"], { stdin });
    expect(code).toBe(0);
    const many = `${lost} entries that group g had not been given: --keep-unread keeps them`;
    expect(stderr).toMatch(
      new RegExp(`^streamctl: warning: trimming ${key} has removed (at least )?${many}`, "m"),
    );
    expect(stderr.match(/warning/g)).toHaveLength(1);
  });

  test("an entry alone, what was unread before, and a group that read on meanwhile", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await cli(["produce", key], { stdin: numbered(1, 10) });
    await read(redis, key, 4);
    const single = await cli(["produce", key, "n=11", "--maxlen", "3", "--exact"]);
    expect(single.stderr).toMatch(/removed (at least )?4 entries that group g/);
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "--maxlen", "50", "--exact", "-q"], { stdin });
    stdin.write(numbered(12, 40));
    await until("they are there", async () => (await redis.xlen(key)) === 32);
    await read(redis, key, 20);
    stdin.end(numbered(41, 60));
    expect((await run.done).stderr).toBe("");
  });

  test("no word where nothing unread goes, or the groups may not be seen", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await cli(["produce", key], { stdin: numbered(1, 10) });
    await read(redis, key, 10);
    const trimmed = await cli(["produce", key, "--maxlen", "5", "--exact", "-q"], {
      stdin: numbered(11, 15),
    });
    expect(trimmed.stderr).toBe("");
    const { url } = await userWith(redis, [`~${key}`, "+xadd"]);
    const unseen = await cli(["produce", key, "--maxlen", "1", "--exact", "-q"], {
      stdin: numbered(1, 9),
      url,
    });
    expect(unseen).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("--keep-unread", () => {
  test("trims up to what groups need, and says which one held it", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await cli(["produce", key], { stdin: numbered(1, 300) });
    await read(redis, key, 100);
    await read(redis, key, 10, false);
    const args = ["--maxlen", "50", "--exact", "--keep-unread"];
    const { code, stderr } = await cli(["produce", key, ...args], { stdin: numbered(301, 1_000) });
    expect(code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(101, 1_000));
    expect(stderr).toMatch(/kept from .* group g has not acked it: pending for c/);
    expect(stderr).not.toContain("warning");
    await redis.xgroup("DESTROY", key, "g");
    const single = await cli(["produce", key, "n=1001", ...args]);
    expect(single).toMatchObject({ code: 0, stderr: "" });
    expect(await valuesOf(redis, key)).toEqual(numbers(952, 1_001));
  });

  test("goes with --max-age and partitions, also of those that get nothing", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", `${key}:${partitionOf(Buffer.from("same"), 3)}`, "g", "$", "MKSTREAM");
    const flags = ["--partitions", "3", "--partition-by", "c", "--max-age", "0s", "--exact", "--keep-unread"];
    const stdin = Array.from({ length: 50 }, (_, n) => `{"c":"same","n":"${n}"}\n`).join("");
    expect((await cli(["produce", key, ...flags], { stdin })).code).toBe(0);
    const lengths = await Promise.all([0, 1, 2].map((n) => redis.xlen(`${key}:${n}`)));
    expect(Math.max(...lengths)).toBe(50);
  });

  test("without a limit is a usage error", async () => {
    const { code, stderr } = await cli(["produce", "s", "a=1", "--keep-unread"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--keep-unread needs --maxlen or --max-age");
  });

  test("against a model: what is left is what is needed or among the newest", async () => {
    const redis = rawRedis();
    const step = fc.record({
      add: fc.integer({ min: 0, max: 400 }),
      read: fc.integer({ min: 1, max: 300 }),
      ack: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 200 }),
        async (steps, most) => {
          const key = uniqueKey();
          await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
          let [added, given, first] = [0, 0, 1];
          let pending = Number.POSITIVE_INFINITY;
          for (const { add, read: count, ack } of steps) {
            const args = ["produce", key, "--maxlen", String(most), "--exact", "--keep-unread", "-q"];
            expect((await cli(args, { stdin: numbered(added + 1, added + add) })).stderr).toBe("");
            added += add;
            first = Math.max(first, Math.min(added - most + 1, pending, given + 1));
            expect(await valuesOf(redis, key)).toEqual(numbers(first, added));
            await read(redis, key, count, ack);
            if (!ack && given < added) pending = Math.min(pending, given + 1);
            given = Math.min(added, given + count);
          }
          await redis.del(key);
        },
      ),
      { numRuns: 12 },
    );
  });
});
