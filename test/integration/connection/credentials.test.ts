import { join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { defineScript } from "../../../src/redis/script.ts";
import { asText } from "../../../src/redis/value.ts";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { freePort, SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { openConnection, rejection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";

const PASSWORD = "s3cret-of-the-test";
let server: SandboxServer;
let socketFolder: string;

beforeAll(async () => {
  socketFolder = mkdtempSync(join(tmpdir(), "streamctl-socket-"));
  server = await SandboxServer.start({
    executable: inject("redisExecutable"),
    args: ["--requirepass", PASSWORD, "--unixsocket", join(socketFolder, "r.sock")],
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(socketFolder, { recursive: true, force: true });
});

describe("a server that asks for a password", () => {
  test("lets the right one in, for every kind of connection", async () => {
    const connection = await openConnection(server.url, { password: PASSWORD, db: 3 });
    const key = uniqueKey();
    await connection.call("XADD", key, "1-1", "a", "1");
    const pipeline = await connection.pipeline(key);
    expect(await pipeline.request(encodeCommand(["XLEN", key]))).toBe(1);
    const reader = await connection.reader();
    expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", key, "0"], 1)).toHaveLength(1);
    const raw = rawRedis(`redis://:${PASSWORD}@127.0.0.1:${server.port}/3`);
    expect(await raw.xlen(key), "all of them in database 3").toBe(1);
  });

  test.each([
    ["no password", undefined, "NOAUTH"],
    ["a wrong one", "hunter2", "WRONGPASS"],
  ])("refuses %s for good, with exit 3", async (_, password, code) => {
    const error = await rejection(openConnection(server.url, { password }));
    expect(error).toMatchObject({ kind: "connection", code });
  });

  test("does not see its password printed, in errors, with -v or in config show", async () => {
    const env = { STREAMCTL_URL: `redis://:${PASSWORD}x@127.0.0.1:${server.port}` };
    for (const argv of [
      ["lag", "orders", "-v"],
      ["config", "show"],
      ["config", "show", "-o", "json"],
    ]) {
      const { stdout, stderr } = await cli(argv, { env });
      expect(stdout + stderr).not.toContain(PASSWORD);
    }
    const url = `redis://:${PASSWORD}@127.0.0.1:${server.port}`;
    const asStream = ["consume", url, "-g", "g", "--exec", "cat", "--log", "json", "-v"];
    const withStack = await cli(asStream, { env: { STREAMCTL_URL: url } });
    expect(withStack.stderr).toMatch(/"stack":".*redis:\/\/:\*\*\*@/);
    expect(withStack.stderr).not.toContain(PASSWORD);
    const { code, stderr } = await cli(["lag", "orders"], { env });
    expect(stderr).toBe(
      "streamctl: error: wrong user name or password: user default at " +
        `redis://127.0.0.1:${server.port}, with the password from env STREAMCTL_URL\n`,
    );
    expect(code).toBe(3);
  });

  const url = "redis://me:hunter2@127.0.0.1";
  test.each([
    [["-H", url], {}],
    [["-p", url], {}],
    [["-n", url], {}],
    [["-o", url], {}],
    [["-u", `${url}:99999`], {}],
    [["-u", `http${url}`], {}],
    [["--sentinel", url, "--master", "m"], {}],
    [["--tls", "--sni", url], {}],
    [["--connect-timeout", url], {}],
    [["--profile", url], {}],
    [["--config", url], {}],
    [["--password-file", url], {}],
    [["--password=hunter2"], {}],
    [["--max-lag", url], {}],
    [["--check", "--max-lag", url], {}],
    [[url], {}],
    [[], { REDIS_HOST: url }],
    [[], { STREAMCTL_SENTINEL: url }],
    [[], { STREAMCTL_TLS: url }],
    [[], { STREAMCTL_MAX_LAG: url }],
    [[], { STREAMCTL_PROFILE: url }],
  ])("a URL with a password in a wrong place (%o %o) is not repeated", async (flags, env) => {
    const options = { env: { STREAMCTL_URL: undefined, ...env } };
    for (const argv of [
      ["lag", "orders", "-v", ...flags],
      ["config", "show", ...flags],
      [...flags, "lag"],
    ]) {
      const { stdout, stderr } = await cli(argv, options);
      expect(stdout + stderr).not.toContain("hunter2");
    }
  });

  test("a password in a wrong place of a file is not repeated", async () => {
    const folder = mkdtempSync(join(tmpdir(), "streamctl-config-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "config.yaml");
    for (const text of [
      "password: |hunter2",
      "password: [hunter2",
      "password: *hunter2",
      "- hunter2\npassword: hunter2",
      "passwordEnv: hunter2",
      "host: redis://:hunter2@h",
      "defaults: {lag: {max-lag: redis://:hunter2@h}}",
      "defaults: {consume: {dlq: redis://:hunter2@h}}",
    ]) {
      writeFileSync(file, text);
      for (const argv of [
        ["lag", "orders", "-v"],
        ["config", "show"],
      ]) {
        const { stdout, stderr } = await cli([...argv, "--config", file]);
        const shown = text.startsWith("passwordEnv") && argv[0] === "config" ? "" : stdout + stderr;
        expect(shown, text).not.toContain("hunter2");
      }
    }
  });

  test("an error of authentication names server, user, and where the password came from", async () => {
    const folder = mkdtempSync(join(tmpdir(), "streamctl-config-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "pw");
    writeFileSync(file, "hunter2\n", { mode: 0o600 });
    const at = `redis://127.0.0.1:${server.port}`;
    const plain = { STREAMCTL_URL: at };
    const wrong = "wrong user name or password: user";
    for (const [flags, env, message] of [
      [
        ["--password-file", file, "--user", "me"],
        plain,
        `${wrong} me at ${at}, with the password from ${file} (flag --password-file)`,
      ],
      [
        [],
        { ...plain, REDISCLI_AUTH: "hunter2" },
        `${wrong} default at ${at}, with the password from env REDISCLI_AUTH`,
      ],
      [[], plain, `authentication required: user default at ${at}, with no password: give --user`],
    ] as const) {
      const { code, stderr } = await cli(["lag", "orders", ...flags], { env });
      expect(stderr).toContain(message);
      expect(stderr).not.toContain("hunter2");
      expect(code).toBe(3);
    }
  });

  test("changing the password while streamctl is connected ends reconnecting", async () => {
    const own = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--requirepass", "a"],
    });
    onTestFinished(() => own.stop());
    const connection = await openConnection(own.url, { password: "a" });
    const down = new Promise((resolve) => connection.onState(resolve));
    const raw = rawRedis(`redis://:a@127.0.0.1:${own.port}`);
    await raw.config("SET", "requirepass", "b");
    await raw.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await down).toMatchObject({ up: false });
    const error = await rejection(connection.persist(() => connection.call("PING"), { budgetMs: 20_000 }));
    expect(error).toMatchObject({ kind: "connection", code: "WRONGPASS" });
  });
});

describe("a server that asks for none", () => {
  test("and gets one: a warning of ours, and nothing printed by ioredis", async () => {
    const printed = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const connection = await openConnection(undefined, { password: "pw" }, { onWarning });
    await connection.reader();
    expect(warnings).toEqual(["a password was given, but the server asks for none"]);
    for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  });
});

describe("a server that can't be used", () => {
  test("nobody listens: exit 3 at once, with the address", async () => {
    const port = await freePort();
    const { code, stderr } = await cli(["lag", "orders", "-p", String(port), "-H", "localhost"], {
      env: { STREAMCTL_URL: "" },
    });
    expect(stderr).toMatch(
      `streamctl: error: could not connect to redis://localhost:${port}: connection refused`,
    );
    expect(code).toBe(3);
  });

  test("no such host", async () => {
    const error = await rejection(openConnection("redis://no-such-host.invalid:1"));
    expect((error as Error).message).toMatch(/could not be resolved/);
  });

  test("a database that does not exist is not silently database 0", async () => {
    const error = await rejection(openConnection(undefined, { db: 4_000 }));
    expect(error).toMatchObject({ kind: "usage", message: expect.stringContaining("no such database") });
  });

  test("no room for one more client is said in the server's words", async () => {
    const own = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--maxclients", "1"],
    });
    onTestFinished(() => own.stop());
    const raw = rawRedis(own.url);
    await raw.ping();
    const error = await rejection(openConnection(own.url));
    expect((error as Error).message).toMatch(/max number of clients/);
  });

  test("a server that is still loading is waited for", async ({ skip }) => {
    const executable = inject("redisExecutable");
    const args = ["--enable-debug-command", "yes"];
    const own = await SandboxServer.start({ executable, args }).catch(() => undefined);
    if (!own) return skip("Redis before 7 can't be slowed down while it loads");
    onTestFinished(() => own.stop());
    const raw = rawRedis(own.url);
    await raw.call("DEBUG", "POPULATE", "30000", "k", "100");
    // It would take minutes, if it were not let go.
    await raw.config("SET", "key-load-delay", "10000");
    await raw.config("SET", "loading-process-events-interval-bytes", "1024");
    const probe = rawRedis(own.url);
    await probe.ping();
    const reloaded = raw.call("DEBUG", "RELOAD").catch(() => {});
    await until("it loads", () =>
      probe.ping().then(
        () => false,
        (error: Error) => error.message.startsWith("LOADING"),
      ),
    );
    const proxy = await Proxy.start(own.url);
    const connecting = openConnection(proxy.url, { connectTimeoutMs: 60_000 });
    await until("it was told to wait", () => proxy.turns > 1 || proxy.accepted > 1);
    await probe.config("SET", "key-load-delay", "0");
    const connection = await connecting;
    expect(asText(await connection.call("PING"))).toBe("PONG");
    await reloaded;
  });
});

test("a unix socket", async () => {
  const connection = await openConnection(server.url, {
    path: join(socketFolder, "r.sock"),
    password: PASSWORD,
  });
  expect(asText(await connection.call("PING"))).toBe("PONG");
  const pipeline = await connection.pipeline("k");
  expect(await pipeline.request(encodeCommand(["PING"]))).toBe("PONG");
  const { stderr, code } = await cli(["lag", "x"], { env: { STREAMCTL_URL: "unix:///no/such.sock" } });
  expect(stderr).toContain("could not connect to unix:///no/such.sock: no such socket");
  expect(code).toBe(3);
});

test("a user with no rights but a worker's connects, reads, runs scripts and is woken by nothing it may not do", async () => {
  const key = uniqueKey();
  const user = `w${process.pid}`;
  const rules = `on >pw ~${key} ~${key}:dlq -@all +xreadgroup +xack +xclaim +xpending +xrange +xadd +eval +evalsha +xinfo +xgroup +info +ping`;
  const raw = rawRedis();
  await raw.call("ACL", "SETUSER", user, "reset", ...rules.split(" "));
  onTestFinished(async () => void (await raw.call("ACL", "DELUSER", user)));
  const printed = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];
  const connection = await openConnection(undefined, { username: user, password: "pw" });
  await connection.call("XGROUP", "CREATE", key, "g", "0", "MKSTREAM").catch(() => {});
  await raw.xgroup("CREATE", key, "g", "0", "MKSTREAM").catch(() => {});
  await connection.call("XADD", key, "1-1", "a", "1");
  const script = defineScript("echo", "return ARGV[1]");
  expect(asText(await connection.run(script, [key], ["hello"]))).toBe("hello");
  const reader = await connection.reader();
  expect(
    await reader.call("XREADGROUP", ["GROUP", "g", "c", "BLOCK", 100, "STREAMS", key, ">"], 100),
  ).toHaveLength(1);
  expect(reader.clientId).toBeUndefined();
  await reader.wake();
  const error = await rejection(connection.call("XADD", "elsewhere", "*", "a", "1"));
  expect(error).toMatchObject({ code: "NOPERM", kind: "failed" });
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
});

test("connections name themselves", async () => {
  const connection = await openConnection(undefined, {}, { name: `streamctl:name-${process.pid}` });
  const reader = await connection.reader();
  await reader.call("XREAD", ["BLOCK", 1, "STREAMS", uniqueKey(), "$"], 1);
  await connection.pipeline("k");
  const list = String(await rawRedis().client("LIST"));
  expect(list.split(`name=streamctl:name-${process.pid} `)).toHaveLength(4);
});
