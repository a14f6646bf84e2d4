import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, openStdin, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  answered,
  byCustomer,
  entriesOf,
  expectPartitioned,
  numbered,
  numbers,
  summaryOf,
  valuesOf,
} from "./support.ts";
import { serverUrl } from "../../support/server-url.ts";

const BY_N = ["--idempotency-key", "n", "-o", "json"];

describe("a rerun", () => {
  test("of the same input adds nothing, and gives the IDs of the first run", async () => {
    const key = uniqueKey();
    const first = await cli(["produce", key, ...BY_N, "--ids"], { stdin: numbered(1, 3_000) });
    expect(summaryOf(first)).toMatchObject({ inRedis: 3_000, alreadyThere: 0 });
    const again = await cli(["produce", key, ...BY_N, "--ids"], { stdin: numbered(1, 3_005) });
    expect(again.code).toBe(0);
    expect(summaryOf(again)).toMatchObject({ inRedis: 3_005, alreadyThere: 3_000, complete: true });
    expect(again.stdout.startsWith(first.stdout)).toBe(true);
    expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 3_005));
  });

  test("adds nothing also while the first run is still under way", async () => {
    const key = uniqueKey();
    const runs = await Promise.all(
      [1, 2, 3].map(() => cli(["produce", key, ...BY_N], { stdin: numbered(1, 5_000) })),
    );
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    const added = runs.map((run) => summaryOf(run).inRedis - summaryOf(run).alreadyThere);
    expect(added.reduce((sum, count) => sum + count, 0)).toBe(5_000);
    expect(
      (await valuesOf(rawRedis(), key))
        .map(Number)
        .sort((a, b) => a - b)
        .map(String),
    ).toEqual(numbers(1, 5_000));
  });

  test("adds nothing into partitions, either", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const args = ["produce", key, ...BY_N, "--partitions", "4", "--partition-by", "customer"];
    await cli(args, { stdin: byCustomer(1, 1_000) });
    const again = await cli(args, { stdin: byCustomer(1, 1_000) });
    expect(summaryOf(again)).toMatchObject({ inRedis: 1_000, alreadyThere: 1_000 });
    await expectPartitioned(1_000, 4, (index) => valuesOf(redis, `${key}:${index}`));
  });

  test("after --idempotency-ttl adds them again, and not before", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const args = ["produce", key, "n=1", "--idempotency-key", "n", "--idempotency-ttl", "1h"];
    const first = await cli(args);
    expect((await cli(args)).stdout).toBe(first.stdout);
    expect(await redis.xlen(key)).toBe(1);
    const marker = `${key}:produced:1`;
    expect(await redis.pttl(marker)).toBeGreaterThan(3_590_000);
    expect(await redis.get(marker)).toBe(first.stdout.trim());
    await redis.pexpire(marker, 1);
    await until("the key is forgotten", async () => (await redis.exists(marker)) === 0);
    expect((await cli(args)).stdout).not.toBe(first.stdout);
    expect(await redis.xlen(key)).toBe(2);
  });
});

describe("keys", () => {
  test("are bytes: long, binary and odd ones are told apart, and the rest of the entry does not matter", async () => {
    const key = uniqueKey();
    const keys = ["a", "A", "a ", "ä", "{a}", "x".repeat(100), `${"x".repeat(99)}y`, "*", "a\\nb", "null"];
    const lines = keys.flatMap((k) => [`{"k":"${k}","v":"1"}\n`, `{"v":"2","k":"${k}"}\n`]).join("");
    const result = await cli(["produce", key, "--idempotency-key", "k", "-o", "json"], { stdin: lines });
    expect(summaryOf(result)).toMatchObject({ inRedis: 20, alreadyThere: 10, rejected: 0 });
    expect((await entriesOf(rawRedis(), key)).map(([, , k]) => k)).toEqual(
      keys.map((k) => k.replace("\\n", "\n")),
    );
  });

  test("that are missing, empty or null make a line bad", async () => {
    const key = uniqueKey();
    const stdin = '{"a":"1"}\n{"n":""}\n{"n":null}\n{"n":"4"}\n';
    const result = await cli(["produce", key, ...BY_N, "--on-error", "skip"], { stdin });
    expect(result.code).toBe(5);
    expect(summaryOf(result)).toMatchObject({ inRedis: 1, rejected: 3 });
    expect(await valuesOf(rawRedis(), key)).toEqual(["4"]);
  });

  test("go with the options that trim and that make no stream", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await cli(["produce", key, ...BY_N, "--maxlen", "3", "--exact"], { stdin: numbered(1, 10) });
    expect(await valuesOf(redis, key)).toEqual(["8", "9", "10"]);
    const missing = uniqueKey();
    const absent = await cli(["produce", missing, ...BY_N, "--no-create"], { stdin: numbered(1, 2) });
    // Redis 6.0 has no such option.
    expect([1, 4]).toContain(absent.code);
    expect(await redis.keys(`${missing}*`)).toEqual([]);
  });
});

describe("what goes wrong", () => {
  test("a lost reply: the entries are sent again, each is there once, and the run goes on to its end", async () => {
    const key = uniqueKey();
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("$4\r\n2000\r\n");
    const [result] = await Promise.all([
      cli(["produce", key, ...BY_N], { stdin: numbered(1, 4_000), url: proxy.url }),
      lost,
    ]);
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 4_000, unknownLines: [], complete: true });
    expect(summaryOf(result).alreadyThere).toBeGreaterThan(0);
    expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 4_000));
  });

  test("a server that stays away: exit 3, and the next run completes the stream", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const run = new CliRun(["produce", key, ...BY_N, "--ids", "--connect-timeout", "3s"], {
      stdin,
      url: proxy.url,
    });
    stdin.write(numbered(1, 3));
    await answered(run, 3);
    proxy.swallowReplies();
    stdin.write(numbered(4, 5));
    await until("two more lines are", async () => (await redis.xlen(key)) === 5);
    proxy.refuse();
    const result = await run.done;
    expect(result.code).toBe(3);
    expect(summaryOf(result)).toMatchObject({ inRedis: 3, lastLine: 3, unknownLines: [], complete: false });
    const again = await cli(["produce", key, ...BY_N, "--skip-lines", "3"], { stdin: numbered(1, 9) });
    expect(summaryOf(again)).toMatchObject({ inRedis: 6, alreadyThere: 2, complete: true });
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 9));
  });

  test("a key that may be forgotten by then is not sent again: exit 7", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const args = [...BY_N, "--ids", "--idempotency-ttl", "20ms", "--command-timeout", "3s"];
    const run = new CliRun(["produce", key, ...args], { stdin, url: proxy.url });
    stdin.write(numbered(1, 1));
    await answered(run, 1);
    proxy.swallowReplies();
    stdin.write(numbered(2, 3));
    const result = await run.done;
    expect(result.code).toBe(7);
    expect(summaryOf(result)).toMatchObject({ inRedis: 1, unknownLines: [[2, 3]] });
    expect(await valuesOf(redis, key)).toEqual(["1", "2", "3"]);
  });

  test("a server that forgets its scripts is told again, and nothing is lost or out of order", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const stdin = openStdin();
    const run = new CliRun(["produce", key, ...BY_N], { stdin });
    stdin.write(numbered(1, 100));
    await until("they are in Redis", async () => (await redis.xlen(key)) === 100);
    await redis.script("FLUSH");
    stdin.end(numbered(101, 3_000));
    const result = await run.done;
    expect(result.code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 3_000));
  });

  test("out of memory: no key is remembered for an entry that is not there", async () => {
    const server = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--maxmemory", "4mb"],
    });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const line = (n: number): string => `${JSON.stringify({ n: String(n), text: "x".repeat(1_000) })}\n`;
    const stdin = Array.from({ length: 8_000 }, (_, i) => line(i + 1)).join("");
    const result = await cli(["produce", "big", ...BY_N], { stdin, url: server.url });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("Redis is out of memory (maxmemory) and refuses XADD on big");
    expect(summaryOf(result).inRedis).toBe(await redis.xlen("big"));
    await redis.config("SET", "maxmemory", "0");
    const again = await cli(["produce", "big", ...BY_N], { stdin, url: server.url });
    expect(summaryOf(again)).toMatchObject({ inRedis: 8_000, alreadyThere: summaryOf(result).inRedis });
    expect(await redis.xlen("big")).toBe(8_000);
  });

  test("a key that is no stream: the run fails, and no marker stays behind", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    await redis.lpush(key, "x");
    const result = await cli(["produce", key, ...BY_N], { stdin: numbered(1, 10) });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${key} is a list, not a stream`);
    expect(await redis.keys(`${key}:*`)).toEqual([]);
  });

  test("a marker that a failed try has left behind empty stands for nothing", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    await redis.set(`${key}:produced:1`, "", "PX", 60_000);
    const result = await cli(["produce", key, ...BY_N], { stdin: numbered(1, 2) });
    expect(summaryOf(result)).toMatchObject({ inRedis: 2, alreadyThere: 0 });
    expect(await valuesOf(redis, key)).toEqual(["1", "2"]);
  });

  test("a user without the right to the markers is refused before anything is added", async () => {
    const user = uniqueKey("user");
    const key = uniqueKey();
    const redis = rawRedis();
    await redis.call("ACL", "SETUSER", user, "on", ">secret", `~${key}`, "+@all");
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const url = new URL(serverUrl());
    url.username = user;
    url.password = "secret";
    const { code, stderr } = await cli(["produce", key, ...BY_N], { stdin: numbered(1, 10), url: url.href });
    expect(code).toBe(1);
    expect(stderr).toContain("no permission");
    expect(await redis.exists(key)).toBe(0);
  });

  test("a user with no right but those docs/permissions.md lists can do it", async () => {
    const user = uniqueKey("user");
    const key = uniqueKey();
    const redis = rawRedis();
    const rights = ["-@all", "+eval", "+evalsha", "+xadd", "+set", "+get", "+del"];
    await redis.call("ACL", "SETUSER", user, "on", ">secret", `~${key}`, `~${key}:produced:*`, ...rights);
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const url = new URL(serverUrl());
    url.username = user;
    url.password = "secret";
    const options = { stdin: numbered(1, 10), url: url.href };
    for (const alreadyThere of [0, 10])
      expect(summaryOf(await cli(["produce", key, ...BY_N], options))).toMatchObject({
        inRedis: 10,
        alreadyThere,
      });
  });
});
