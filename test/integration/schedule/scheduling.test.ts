import { expect, test } from "vitest";
import { addDue, type DueAdded } from "../../../src/redis/ops/add-due.ts";
import { scheduleKeys } from "../../../src/redis/ops/schedule-keys.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

const NOTHING: DueAdded = {
  added: 0,
  givenBack: 0,
  void: 0,
  setAside: 0,
  nextMs: undefined,
  lateMs: 0,
  failure: undefined,
};

/** One step for the stream, as every worker takes it. */
async function step(stream: ReturnType<typeof uniqueKey>, most?: number): Promise<DueAdded> {
  const keys = scheduleKeys(stream, false);
  if (!keys) throw new Error("no schedule");
  return addDue(await openConnection(), stream, keys, most);
}

test("an entry comes byte for byte, with its order, repeated names, empty and binary values", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const long = "x".repeat(70_000);
  const fields = [
    ["10", "ten"],
    ["a", "1"],
    ["a", ""],
    [{ base64: "/wD+" }, { base64: "AP8=" }],
    ["", "empty name"],
    ["long", long],
    ["middle", "y".repeat(300)],
    ...Array.from({ length: 20 }, (_, n) => [`n${n}`, String(n)]),
  ];
  const line = JSON.stringify({ fields });
  const made = await cli(["produce", key, "--input", "entries", "--delay", "0", "--ids"], { stdin: line });
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^scheduled:\d{16}\n$/) });
  expect(made.stderr).toContain(`1 entry in the schedule of ${key}`);
  expect(await redis.exists(key)).toBe(0);
  expect(await step(key)).toMatchObject({ added: 1, failure: undefined });
  const { stdout } = await cli(["consume", key, "-o", "ndjson"]);
  expect(ndjson(stdout)[0]).toMatchObject({ fields });
  expect(await redis.exists(`${key}:scheduled`, `${key}:scheduled:entries`)).toBe(0);
});

test("an entry is due by the server's clock, and the field that says when stays in it", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const stdin = [
    { n: 1, due: "1h" },
    { n: 2, due: at },
    { n: 3, due: "1764212345678" },
    { n: 4, due: "1ms" },
  ]
    .map((fields) => `${JSON.stringify(fields)}\n`)
    .join("");
  expect(await cli(["produce", key, "--delay-field", "due"], { stdin })).toMatchObject({ code: 0 });
  const [seconds] = await redis.time();
  const rows = await redis.zrange(`${key}:scheduled`, "0", "-1", "WITHSCORES");
  const scores = rows.filter((_, i) => i % 2 === 1).map(Number);
  expect(scores[0]).toBe(1_764_212_345_678);
  expect(scores).toContain(Date.parse(at));
  expect(scores.at(-1)).toBeGreaterThan((Number(seconds) + 3_500) * 1_000);
  const done = await step(key);
  expect(done).toMatchObject({ added: 2 });
  expect(done.nextMs).toBeGreaterThan(3_500_000);
  const entries = await redis.xrange(key, "-", "+");
  expect(entries.map(([, fields]) => fields)).toEqual([
    ["n", "3", "due", "1764212345678"],
    ["n", "4", "due", "1ms"],
  ]);
});

test("a field that says no time is a bad line, named by its number", async () => {
  const key = uniqueKey();
  const stdin = '{"due":"1h"}\n{"due":"soon"}\n{"n":1}\n{"due":"5"}\n';
  const made = await cli(["produce", key, "--delay-field", "due", "--on-error", "skip"], { stdin });
  expect(made.code).toBe(5);
  expect(made.stderr).toContain("line 2: due is neither a duration like 10m nor a time like");
  expect(made.stderr).toContain("line 3: there is no field due to say when the entry is to be added");
  expect(made.stderr).toContain("line 4: due is neither");
  expect(await rawRedis().zcard(`${key}:scheduled`)).toBe(1);
});

test.each([
  ["--id", "1-1"],
  ["--id-field", "n"],
  ["--maxlen", "10"],
  ["--max-age", "1h"],
  ["--wait-lag", "g:10"],
])("--delay with %s is refused", async (...flags) => {
  const made = await cli(["produce", uniqueKey(), "--delay", "1h", ...flags], { stdin: '{"n":1}\n' });
  expect(made).toMatchObject({ code: 2, stderr: expect.stringContaining("an entry that is added later") });
});

test("an entry of more values than a script can pass on is a bad line", async () => {
  const fields = Object.fromEntries(Array.from({ length: 4_000 }, (_, n) => [`f${n}`, n]));
  const made = await cli(["produce", uniqueKey(), "--delay", "1h"], { stdin: JSON.stringify(fields) });
  expect(made).toMatchObject({ code: 5, stderr: expect.stringContaining("more than 3950 fields") });
});

test("the most fields and megabytes that an entry may have come through", async () => {
  const key = uniqueKey();
  const many = Object.fromEntries(Array.from({ length: 3_950 }, (_, n) => [`f${n}`, String(n)]));
  const large = { large: "z".repeat(5_000_000) };
  const stdin = [many, large, large].map((fields) => `${JSON.stringify(fields)}\n`).join("");
  expect((await cli(["produce", key, "--delay", "0"], { stdin })).code).toBe(0);
  // No step takes more than one that is large.
  expect((await step(key)).added).toBe(1);
  expect((await step(key)).added).toBe(1);
  expect(await step(key)).toMatchObject({ added: 1, nextMs: undefined });
  const entries = await rawRedis().xrange(key, "-", "+");
  expect(entries.map(([, fields]) => fields.length)).toEqual([7_900, 2, 2]);
});

test("a stream that must be there, or is something else, is refused at once", async () => {
  const key = uniqueKey();
  const made = await cli(["produce", key, "n=1", "--delay", "1h", "--no-create"]);
  expect(made).toMatchObject({ code: 4, stderr: expect.stringContaining(`no such stream: ${key}`) });
  await rawRedis().lpush(key, "x");
  const wrong = await cli(["produce", key, "n=1", "--delay", "1h"]);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining(`${key} is not a stream`) });
});

test("a key in the schedule's place is named", async () => {
  const key = uniqueKey();
  await rawRedis().set(`${key}:scheduled`, "x");
  const made = await cli(["produce", key, "n=1", "--delay", "1h"]);
  expect(made.code).toBe(1);
  expect(made.stderr).toContain(`${key}:scheduled is not a sorted set: what is to be added later`);
});

test("each partition has a schedule of its own", async () => {
  const key = uniqueKey();
  const stdin = '{"c":"a"}\n{"c":"b"}\n{"c":"c"}\n{"c":"d"}\n';
  const args = ["produce", key, "--delay", "1h", "--partitions", "2", "--partition-by", "c"];
  expect((await cli(args, { stdin })).code).toBe(0);
  const redis = rawRedis();
  const cards = [await redis.zcard(`${key}:0:scheduled`), await redis.zcard(`${key}:1:scheduled`)];
  expect(cards[0]! + cards[1]!).toBe(4);
});

test("a lost reply is an outcome unknown, and nothing is scheduled twice", async () => {
  const key = uniqueKey();
  const proxy = await Proxy.start();
  const lost = proxy.loseReplyTo("zzsent");
  const made = await cli(["produce", key, "n=zzsent", "--delay", "1h"], { url: proxy.url });
  await lost;
  expect(made).toMatchObject({ code: 7, stderr: expect.stringContaining("nobody knows whether") });
  expect(await rawRedis().zcard(`${key}:scheduled`)).toBe(1);
});

test("with --idempotency-key a rerun, and a lost reply, schedule nothing twice, before and after it was added", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  const proxy = await Proxy.start();
  const lost = proxy.loseReplyTo(":produced:1\r\n");
  const args = ["produce", key, "n=1", "--idempotency-key", "n", "--delay", "0"];
  const first = await cli(args, { url: proxy.url });
  await lost;
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^scheduled:\d{16}\n$/) });
  expect(await cli(args)).toMatchObject({ code: 0, stdout: first.stdout });
  expect(await step(key)).toMatchObject({ added: 1, nextMs: undefined });
  expect(await cli(args)).toMatchObject({ code: 0, stdout: first.stdout });
  expect(await step(key)).toEqual(NOTHING);
  expect(await redis.xlen(key)).toBe(1);
});

test("an idempotency key is known for its time after the entry was due", async () => {
  const key = uniqueKey();
  await cli(["produce", key, "n=1", "--idempotency-key", "n", "--delay", "10h", "--idempotency-ttl", "1h"]);
  const ttl = await rawRedis().pttl(`${key}:produced:1`);
  expect(ttl).toBeGreaterThan(10.9 * 3_600_000);
  expect(ttl).toBeLessThanOrEqual(11 * 3_600_000);
});

test("what is due at the same time comes in the order in which it was scheduled, however many steps it takes", async () => {
  const key = uniqueKey();
  const count = 350;
  const stdin = Array.from({ length: count }, (_, n) => `{"n":"${n}"}\n`).join("");
  await cli(["produce", key, "--at", "2020-01-01T00:00:00Z"], { stdin });
  const steps = [await step(key), await step(key), await step(key), await step(key)];
  expect(steps.map(({ added }) => added)).toEqual([100, 100, 100, 50]);
  const entries = await rawRedis().xrange(key, "-", "+");
  expect(entries.map(([, fields]) => Number(fields[1]))).toEqual(Array.from({ length: count }, (_, n) => n));
});

test("a record that can't be read is set aside, and one that has gone is passed over: others come", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  await cli(["produce", key, "n=1", "--delay", "0"]);
  await cli(["produce", key, "n=2", "--delay", "0"]);
  await cli(["produce", key, "n=3", "--delay", "0"]);
  const [first = "", second = ""] = await redis.zrange(`${key}:scheduled`, "0", "-1");
  await redis.hset(`${key}:scheduled:entries`, first, "no record");
  await redis.hdel(`${key}:scheduled:entries`, second);
  expect(await step(key)).toEqual({ ...NOTHING, added: 1, void: 1, setAside: 1, lateMs: expect.any(Number) });
  expect(await redis.zscore(`${key}:scheduled`, first)).toBe("inf");
  expect(await redis.hget(`${key}:scheduled:entries`, first)).toBe("no record");
  expect(await step(key)).toEqual(NOTHING);
});

test("where the stream takes no entry, nothing leaves the schedule", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  await cli(["produce", key, "n=1", "--delay", "0"]);
  await redis.lpush(key, "x");
  const refused = await step(key);
  expect(refused).toMatchObject({ added: 0, failure: { code: "WRONGTYPE" } });
  await redis.del(key);
  expect(await step(key)).toMatchObject({ added: 1, nextMs: undefined });
});
