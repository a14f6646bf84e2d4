import { Readable } from "node:stream";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { cli, type CliResult, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";

const MIB = 1024 * 1024;

/** What one command printed as the next one's stdin, in pieces as a pipe gives them. */
async function piped(from: readonly string[], to: readonly string[]): Promise<CliResult> {
  const { stdoutBytes } = await cli(from);
  const chunks: Buffer[] = [];
  for (let at = 0; at < stdoutBytes.length; at += 65_536) chunks.push(stdoutBytes.subarray(at, at + 65_536));
  return cli(to, { stdin: Readable.from(chunks) });
}

/** A value in which, cut at any whole MiB, a piece stands that is the ID `id` alone. */
function hostile(id: string): string {
  return `${"x".repeat(2 * MIB)}${" ".repeat(MIB)}${id}${" ".repeat(3 * MIB)}x`;
}

async function pendingIds(redis: Redis, key: string, consumer: string): Promise<string[]> {
  const rows = (await redis.xpending(key, "g", "-", "+", 10, consumer)) as [string][];
  return rows.map(([id]) => id);
}

/** 1-0 holds a hostile value and is pending for a; 2-0 is pending for b. Both are dead letters, too. */
async function filled(redis: Redis): Promise<string> {
  const key = uniqueKey();
  await redis.xadd(key, "1-0", "v", hostile("2-0"));
  await redis.xadd(key, "2-0", "v", "good");
  await redis.xgroup("CREATE", key, "g", "0");
  await redis.xreadgroup("GROUP", "g", "a", "COUNT", 1, "STREAMS", key, ">");
  await redis.xreadgroup("GROUP", "g", "b", "COUNT", 1, "STREAMS", key, ">");
  await redis.xadd(`${key}:dlq`, "1-0", "v", hostile("2-0"));
  await redis.xadd(`${key}:dlq`, "2-0", "v", "good");
  return key;
}

describe("a row of several MiB between two commands is one row", () => {
  const list = (key: string): string[] => [
    "pending",
    key,
    "-g",
    "g",
    "--list",
    "--payload",
    "--consumer",
    "a",
  ];

  test("ack acks the entry of the row, not one that its value names", async () => {
    const redis = rawRedis();
    const key = await filled(redis);
    const { code, stderr } = await piped(list(key), ["ack", key, "-g", "g", "-"]);
    expect(stderr).not.toContain("no entry ID");
    expect(code).toBe(0);
    expect(await pendingIds(redis, key, "a")).toEqual([]);
    expect(await pendingIds(redis, key, "b")).toEqual(["2-0"]);
  });

  test("claim moves that entry alone", async () => {
    const redis = rawRedis();
    const key = await filled(redis);
    expect((await piped(list(key), ["claim", key, "-g", "g", "--to", "c", "-"])).code).toBe(0);
    expect(await pendingIds(redis, key, "b")).toEqual(["2-0"]);
    expect(await pendingIds(redis, key, "c")).toEqual(["1-0"]);
  });

  test.each([
    ["dlq purge", ["purge"]],
    ["dlq replay", ["replay", "--to"]],
  ])("%s takes that letter alone", async (_, [verb = "", ...flags]) => {
    const redis = rawRedis();
    const key = await filled(redis);
    const to = flags.length > 0 ? [...flags, `${key}:again`] : [];
    const where = ["dlq", "list", key, "--oldest", "--limit", "1"];
    expect((await piped(where, ["dlq", verb, key, "-", ...to, "-y"])).code).toBe(0);
    const left = await redis.xrange(`${key}:dlq`, "-", "+");
    expect(left.map(([id]) => id)).toEqual(["2-0"]);
  });
});

test("a row that ends in the middle names nothing", async () => {
  const redis = rawRedis();
  const key = await filled(redis);
  const { code, stderr } = await cli(["ack", key, "-g", "g", "-"], { stdin: '{"id":"1-0","fields":{"v":"x' });
  expect(stderr).toContain("line 1 is no entry ID");
  expect(code).toBe(4);
  expect(await pendingIds(redis, key, "a")).toEqual(["1-0"]);
});

test.each([
  [
    "ack",
    (key: string) => ["pending", key, "-g", "g", "--list"],
    (key: string) => ["ack", key, "-g", "g", "-"],
  ],
  [
    "claim",
    (key: string) => ["pending", key, "-g", "g", "--list"],
    (key: string) => ["claim", key, "-g", "g", "-", "--to", "z"],
  ],
  ["dlq purge", (key: string) => ["dlq", "list", key], (key: string) => ["dlq", "purge", key, "-", "-y"]],
  ["dlq replay", (key: string) => ["dlq", "list", key], (key: string) => ["dlq", "replay", key, "-", "-y"]],
])("%s takes no line of a CSV value for an entry's ID", async (_, from, to) => {
  const redis = rawRedis();
  const key = uniqueKey();
  const hostile = "c\n2-0\n";
  await redis.xadd(key, "1-0", "v", "1");
  await redis.xadd(key, "2-0", "v", "2");
  await redis.xgroup("CREATE", key, "g", "0");
  await redis.xreadgroup("GROUP", "g", hostile, "COUNT", 1, "STREAMS", key, ">");
  await redis.xreadgroup("GROUP", "g", "other", "STREAMS", key, ">");
  const ofLetter = ["dlq.stream", key, "dlq.group", "g", "dlq.consumer", hostile, "dlq.reason", "exit 1"];
  await redis.xadd(`${key}:dlq`, "1-0", "v", "1", ...ofLetter, "dlq.id", "1-0");
  await redis.xadd(`${key}:dlq`, "2-0", "v", "2", ...ofLetter, "dlq.id", "2-0");
  const { code, stderr } = await piped([...from(key), "-o", "csv"], to(key));
  expect(stderr).toContain("stdin is CSV");
  expect(code).toBe(2);
  expect(await pendingIds(redis, key, "other")).toEqual(["2-0"]);
  expect(await redis.xlen(`${key}:dlq`)).toBe(2);
});
