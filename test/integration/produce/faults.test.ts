import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, openStdin, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { answered, numbered, numbers, summaryOf, valuesOf } from "./support.ts";
import { serverUrl } from "../../support/server-url.ts";

async function serverWith(...args: string[]): Promise<SandboxServer> {
  const server = await SandboxServer.start({ executable: inject("redisExecutable"), args });
  onTestFinished(() => server.stop());
  return server;
}

describe("a server that refuses", () => {
  test("a key that is no stream is named once, and nothing counts as written", async () => {
    const key = uniqueKey();
    await rawRedis().lpush(key, "x");
    const result = await cli(["produce", key, "-o", "json"], { stdin: numbered(1, 5_000) });
    expect(result.code).toBe(1);
    expect(result.stderr.match(/is a list, not a stream/g)).toHaveLength(2);
    expect(summaryOf(result)).toMatchObject({
      inRedis: 0,
      rejected: 0,
      lastLine: 0,
      complete: false,
      error: `${key} is a list, not a stream`,
    });
    expect(result.stderr.split("\n").filter((line) => line.includes("error:"))).toHaveLength(1);
  });

  test("out of memory: named once, and the count is what is in the stream", async () => {
    const { url } = await serverWith("--maxmemory", "3mb");
    const line = `${JSON.stringify({ text: "x".repeat(1_000) })}\n`;
    const result = await cli(["produce", "big", "-o", "json"], { stdin: line.repeat(20_000), url });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("Redis is out of memory (maxmemory) and refuses XADD on big");
    const summary = summaryOf(result);
    expect(summary.inRedis).toBe(await rawRedis(url).xlen("big"));
    const later = summary.laterLines.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    expect(summary.lastLine + later).toBe(summary.inRedis);
    expect(summary.complete).toBe(false);
  });

  test("a read-only replica is named as one", async () => {
    const { url } = await serverWith("--replicaof", "127.0.0.1", "1");
    const { code, stderr } = await cli(["produce", "s", "a=1"], { url });
    expect(code).toBe(1);
    expect(stderr).toContain("this server is a read-only replica: XADD was refused on s");
  });

  test("a user without the right is told which", async () => {
    const user = uniqueKey("user");
    const redis = rawRedis();
    await redis.call("ACL", "SETUSER", user, "on", ">secret", "~*", "-@all", "+ping", "+xlen");
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const url = new URL(serverUrl());
    url.username = user;
    url.password = "secret";
    const { code, stderr } = await cli(["produce", "s"], { stdin: numbered(1, 10), url: url.href });
    expect(code).toBe(1);
    expect(stderr).toContain("no permission for XADD on s");
    expect(stderr).not.toContain("secret");
  });

  test("a user with no right but XADD can produce", async () => {
    const user = uniqueKey("user");
    const redis = rawRedis();
    await redis.call("ACL", "SETUSER", user, "on", ">secret", "~*", "-@all", "+xadd");
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const url = new URL(serverUrl());
    url.username = user;
    url.password = "secret";
    const key = uniqueKey();
    expect((await cli(["produce", key], { stdin: numbered(1, 10), url: url.href })).code).toBe(0);
    expect(await rawRedis().xlen(key)).toBe(10);
  });

  test("a read-only profile keeps produce from connecting at all", async () => {
    const folder = await mkdtemp(join(tmpdir(), "streamctl-produce-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "config.yaml");
    await writeFile(file, "profiles:\n  prod:\n    readOnly: true\n");
    const key = uniqueKey();
    const { code, stderr } = await cli(["produce", key, "a=1", "--config", file, "--profile", "prod"]);
    expect(code).toBe(2);
    expect(stderr).toContain('profile "prod" is read-only');
    expect(await rawRedis().exists(key)).toBe(0);
  });
});

describe("a connection that dies", () => {
  test("with a reply outstanding: nothing is sent again, the doubtful lines are named, exit 7", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "-o", "json", "--ids"], { stdin, url: proxy.url });
    stdin.write(numbered(1, 3));
    await answered(run, 3);
    const lost = proxy.loseReplyTo("$1\r\n5\r\n");
    stdin.write(numbered(4, 5));
    await lost;
    const result = await run.done;
    expect(result.code).toBe(7);
    expect(summaryOf(result)).toMatchObject({
      inRedis: 3,
      unknownLines: [[4, 5]],
      lastLine: 3,
      complete: false,
    });
    expect(result.stderr).toContain(`nobody knows whether 2 entries sent without a reply got into ${key}`);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 5));
  });

  test("a single entry whose reply is lost ends with 7, too", async () => {
    const key = uniqueKey();
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("XADD");
    const [result] = await Promise.all([cli(["produce", key, "a=1"], { url: proxy.url }), lost]);
    expect(result).toMatchObject({ code: 7, stdout: "" });
    expect(result.stderr).toContain("nobody knows whether one entry sent without a reply");
    expect(await rawRedis().xlen(key)).toBe(1);
  });

  test("with nothing outstanding: it connects again and goes on", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const run = new CliRun(["produce", key, "--ids"], { stdin, url: proxy.url });
    stdin.write(numbered(1, 2));
    await answered(run, 2);
    proxy.cut();
    await until("the connections are gone", () => proxy.open === 0 || proxy.accepted > 2);
    stdin.end(numbered(3, 4));
    expect((await run.done).code).toBe(0);
    expect(await valuesOf(redis, key)).toEqual(numbers(1, 4));
  });

  test("and can't be had back within --connect-timeout: exit 3, and the count is true", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const args = ["produce", key, "-o", "json", "--ids", "--connect-timeout", "3s"];
    const run = new CliRun(args, { stdin, url: proxy.url });
    stdin.write(numbered(1, 2));
    await answered(run, 2);
    proxy.refuse();
    await until("the connections are gone", () => proxy.open === 0);
    stdin.end(numbered(3, 4));
    const result = await run.done;
    expect(result.code).toBe(3);
    expect(summaryOf(result)).toMatchObject({ inRedis: 2, lastLine: 2, unknownLines: [], complete: false });
    expect(await redis.xlen(key)).toBe(2);
  });

  test("entries with IDs of their own are looked for and completed: each is there once", async () => {
    const key = uniqueKey();
    const proxy = await Proxy.start();
    const lines = Array.from({ length: 4_000 }, (_, i) => `{"n":"${i + 1}","id":"${i + 1}-1"}\n`).join("");
    const lost = proxy.loseReplyTo("$6\r\n2000-1\r\n");
    const [result] = await Promise.all([
      cli(["produce", key, "--id-field", "id", "-o", "json"], { stdin: lines, url: proxy.url }),
      lost,
    ]);
    expect(result.code).toBe(0);
    expect(summaryOf(result)).toMatchObject({ inRedis: 4_000, rejected: 0, lastLine: 4_000, complete: true });
    expect(summaryOf(result).alreadyThere).toBeGreaterThan(0);
    expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 4_000));
  });

  test("a peer that has gone silent counts as dead after --command-timeout", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stdin = openStdin();
    const args = ["produce", key, "-o", "json", "--ids", "--command-timeout", "3s"];
    const run = new CliRun(args, { stdin, url: proxy.url });
    stdin.write(numbered(1, 1));
    await answered(run, 1);
    proxy.swallowBoth();
    stdin.write(numbered(2, 2));
    const result = await run.done;
    expect(result.code).toBe(7);
    expect(summaryOf(result)).toMatchObject({ inRedis: 1, unknownLines: [[2, 2]] });
    expect(await redis.xlen(key)).toBe(1);
  });

  test("nobody listens: exit 3 before any input is read", async () => {
    const stdin = openStdin();
    stdin.write("a line\n");
    const { code, stderr } = await cli(["produce", "s"], { stdin, url: "redis://127.0.0.1:1" });
    expect(code).toBe(3);
    expect(stderr).toContain("could not connect to redis://127.0.0.1:1");
  });
});
