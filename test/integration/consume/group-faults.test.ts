import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, inject, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { lastingPort } from "../../support/ports.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { serverUrl } from "../../support/server-url.ts";

const ids = (stdout: string): unknown[] => ndjson(stdout).map(({ id }) => id);
const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i + 1}-1`);

async function numbered(count: number): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  const pipeline = redis.pipeline();
  pipeline.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  for (let i = 1; i <= count; i++) pipeline.xadd(key, `${i}-1`, "n", String(i));
  await pipeline.exec();
  return key;
}

async function pending(key: string, url?: string): Promise<number> {
  return ((await rawRedis(url).xpending(key, "g")) as [number])[0];
}

describe("consume -g loses nothing and doubles nothing", () => {
  test.each([[[]], [["--consumer", "me"]], [["--no-ack"]], [["--no-ack", "--consumer", "me"]]])(
    "when the reply to a read is lost, %j",
    async (flags) => {
      const key = await numbered(500);
      const proxy = await Proxy.start();
      // The first read is of 10 entries, the second of 40: that one's reply is lost.
      const lost = proxy.loseReplyTo("\r\n$2\r\n40\r\n");
      const argv = ["consume", key, "-g", "g", "--until-empty", ...flags];
      const { code, stdout, stderr } = await cli(argv, { url: proxy.url });
      await lost;
      expect(code).toBe(0);
      expect(ids(stdout)).toEqual(upTo(500));
      expect(stderr).toContain("trying to get it back");
      expect(await pending(key)).toBe(flags.includes("--no-ack") ? 500 : 0);
    },
  );

  test("when the reply to XGROUP CREATE is lost", async () => {
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-1", "n", "1");
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("CREATE");
    const argv = ["consume", key, "-g", "g", "--create-group", "--until-empty"];
    const { code, stdout } = await cli(argv, { url: proxy.url });
    await lost;
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(["1-1"]);
  });

  test("when the reply to an ack is lost", async () => {
    const key = await numbered(500);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("XACK");
    const { code, stdout, stderr } = await cli(["consume", key, "-g", "g", "--until-empty"], {
      url: proxy.url,
    });
    await lost;
    expect(code).toBe(0);
    expect(ids(stdout)).toEqual(upTo(500));
    expect(stderr).toContain("acked 500");
    expect(await pending(key)).toBe(0);
  });

  test("when the connection is cut again and again", async () => {
    const key = await numbered(4_000);
    const proxy = await Proxy.start();
    let text = "";
    let writes = 0;
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        if (writes++ % 2 === 0) proxy.cut();
        setTimeout(done, 5);
      },
    });
    const argv = ["consume", key, "-g", "g", "--until-empty"];
    const { code } = await cli(argv, { url: proxy.url, stdout });
    expect(code).toBe(0);
    expect(ids(text)).toEqual(upTo(4_000));
    expect(await pending(key)).toBe(0);
  });

  test("and acks that could not be sent go out as soon as the link is back, not at the end", async () => {
    const key = await numbered(5);
    const proxy = await Proxy.start();
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        proxy.refuse();
        done();
      },
    });
    const run = new CliRun(["consume", key, "-g", "g"], { url: proxy.url, stdout });
    await until("it has noticed", () => run.stderr.includes("trying to get it back"));
    expect(await pending(key)).toBe(5);
    proxy.accept();
    await until("they are acked", async () => (await pending(key)) === 0);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
  });

  test("when it is stopped while Redis is away: exit 3, and what was printed is named", async () => {
    const key = await numbered(5);
    const proxy = await Proxy.start();
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        proxy.refuse();
        done();
      },
    });
    const argv = ["consume", key, "-g", "g", "--consumer", "me", "--connect-timeout", "3s"];
    const run = new CliRun(argv, { url: proxy.url, stdout });
    await until("it has noticed", () => run.stderr.includes("trying to get it back"));
    run.signal("SIGINT");
    const { code, stderr } = await run.done;
    expect(code).toBe(3);
    expect(stderr).toContain("5 entries were printed, but could not be acked");
    expect(await pending(key)).toBe(5);
  });

  test("when Redis restarts, keeping its data", async () => {
    const dir = await mkdtemp(join(tmpdir(), "streamctl-test-"));
    const port = await lastingPort();
    const options = { executable: inject("redisExecutable"), dir, port, args: ["--appendonly", "yes"] };
    let server = await SandboxServer.start(options);
    try {
      const { url } = server;
      const redis = rawRedis(url);
      await redis.xgroup("CREATE", "orders", "g", "0", "MKSTREAM");
      await redis.xadd("orders", "1-1", "n", "1");
      const run = new CliRun(["consume", "orders", "-g", "g"], { url });
      await until(
        "the first is acked",
        async () => ids(run.stdout).length === 1 && (await pending("orders", url)) === 0,
      );
      await server.stop();
      await until("it has noticed", () => run.stderr.includes("trying to get it back"));
      server = await SandboxServer.start(options);
      await until("the data is back", () => rawRedis(url).xadd("orders", "2-1", "n", "2"));
      await until("the second is printed", () => ids(run.stdout).length === 2);
      run.signal("SIGTERM");
      const { code, stderr } = await run.done;
      expect(code).toBe(0);
      expect(stderr.match(/trying to get it back/g)).toHaveLength(1);
      expect(stderr).toContain("printed 2 entries, acked 2");
    } finally {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("an ack that the user has no right to is an error at once, not after the whole stream", async () => {
    const redis = rawRedis();
    const key = await numbered(3_000);
    const user = uniqueKey("reader").replaceAll(":", "");
    await redis.call(
      "ACL",
      "SETUSER",
      user,
      "on",
      ">secret",
      "~*",
      "-@all",
      "+xreadgroup",
      "+xinfo",
      "+ping",
    );
    try {
      const url = new URL(serverUrl());
      url.username = user;
      url.password = "secret";
      const { code, stdout, stderr } = await cli(["consume", key, "-g", "g", "--until-empty"], {
        url: url.href,
      });
      expect(code).toBe(1);
      expect(stderr).toContain("no permission for XACK");
      expect(ids(stdout).length).toBeLessThan(1_000);
    } finally {
      await redis.call("ACL", "DELUSER", user);
    }
  });
});
