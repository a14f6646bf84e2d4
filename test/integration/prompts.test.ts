import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CliRun, uniqueKey } from "../support/cli.ts";
import { keyboard } from "../support/keyboard.ts";
import { pendingStream } from "../support/pending.ts";
import { Proxy } from "../support/proxy.ts";
import { rawRedis, until } from "../support/redis.ts";
import { longQueue, type Raw } from "./dlq/support.ts";

type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";
const CODES: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

async function config(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "streamctl-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, "config.yaml");
  await writeFile(path, text);
  return path;
}

/** Every question there is: the command line that asks it, on a stream with three entries pending and dead letters. */
const QUESTIONS: Record<string, (stream: string) => string[] | Promise<string[]>> = {
  "claim --all": (stream) => ["claim", stream, "-g", "g", "--all", "--to", "x"],
  "claim --drop-missing": (stream) => ["claim", stream, "-g", "g", "--all", "--drop-missing"],
  "trim --force": (stream) => ["trim", stream, "--maxlen", "1", "--exact", "--force"],
  "group set-id": (stream) => ["group", "set-id", stream, "g", "--at", "0"],
  "group destroy": (stream) => ["group", "destroy", stream, "g"],
  "dlq purge": (stream) => ["dlq", "purge", stream, "--all"],
  "dlq replay --all": (stream) => ["dlq", "replay", stream, "--all"],
  "dlq replay, choosing": (stream) => ["dlq", "replay", stream],
  "a protected profile": async (stream) => [
    "ack",
    stream,
    "1-0",
    "-g",
    "g",
    "--profile",
    "prod",
    "--config",
    await config("profiles:\n  prod:\n    protected: true\n"),
  ],
  "--askpass": (stream) => ["ack", stream, "1-0", "-g", "g", "--askpass"],
  "config init": async () => ["config", "init", "--config", await config("profiles: {}\n")],
};

async function state(redis: Raw, stream: string): Promise<unknown[]> {
  const dlq = `${stream}:dlq`;
  return [
    await redis.xlen(stream),
    await redis.xlen(dlq),
    await redis.xpending(stream, "g"),
    await redis.xinfo("GROUPS", stream),
  ];
}

describe("a signal at a prompt ends the run, and nothing is changed", () => {
  test.each(
    Object.keys(QUESTIONS).flatMap((name, at): [string, Signal][] => [
      [name, at % 2 === 0 ? "SIGTERM" : "SIGHUP"],
    ]),
  )("%s: %s", async (name, signal) => {
    const redis = rawRedis();
    const stream = await pendingStream(redis, 3);
    await longQueue(redis, 3, { stream, dlq: `${stream}:dlq` });
    const before = await state(redis, stream);
    const argv = (await QUESTIONS[name]?.(stream)) ?? [];
    const run = new CliRun(argv, { stdin: keyboard(), columns: 100 });
    await until("it asks", () => /\? /.test(run.stderr));
    await new Promise((resolve) => setTimeout(resolve, 50));
    run.signal(signal);
    const { code, stderr } = await run.done;
    expect(stderr).not.toContain("bug");
    expect(stderr).not.toMatch(/error|not confirmed/);
    expect(code).toBe(CODES[signal]);
    expect(await state(redis, stream)).toEqual(before);
  });
});

describe("a signal while the dead letters of a question are still read", () => {
  test.each<[string, string[], Signal]>([
    ["purge", ["--reason", "exit 1"], "SIGINT"],
    ["replay", ["--reason", "exit 1"], "SIGTERM"],
    ["purge", ["--since", "9000d"], "SIGHUP"],
  ])("dlq %s %j: no question about a part of them", async (command, flags, signal) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await longQueue(redis, 20_000, { stream, dlq: `${stream}:dlq` });
    const proxy = await Proxy.start();
    const argv = ["dlq", command, stream, ...flags];
    const run = new CliRun(argv, { stdin: keyboard(), columns: 100, url: proxy.url });
    await proxy.holdWhen(async () => proxy.turns >= 9);
    run.signal(signal);
    proxy.release();
    const { code, stderr } = await run.done;
    expect(code).toBe(CODES[signal]);
    expect(stderr).not.toMatch(/[1-9]\d* dead letters|no dead letters|\?/);
    expect(await redis.xlen(`${stream}:dlq`)).toBe(20_000);
  });

  test("dlq list does not say that there are none", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await longQueue(redis, 20_000, { stream, dlq: `${stream}:dlq` });
    const proxy = await Proxy.start();
    const argv = ["dlq", "list", stream, "--reason", "no such reason"];
    const run = new CliRun(argv, { columns: 100, url: proxy.url });
    await proxy.holdWhen(async () => proxy.turns >= 9);
    run.signal("SIGINT");
    proxy.release();
    const { code, stderr } = await run.done;
    expect(code).toBe(130);
    expect(stderr).not.toContain("no dead letters");
  });
});

/** The URL of a server that accepts and never says a word, and when somebody has connected. */
async function silentServer(): Promise<{ url: string; connected: Promise<unknown> }> {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const connected = once(silent, "connection");
  onTestFinished(async () => {
    (await connected)[0].destroy();
    silent.close();
  });
  return { url: `redis://127.0.0.1:${(silent.address() as { port: number }).port}`, connected };
}

describe("a signal while it connects is no lost connection", () => {
  test.each<Signal>(["SIGINT", "SIGTERM"])("%s: 128 + n", async (signal) => {
    const { url, connected } = await silentServer();
    const run = new CliRun(["lag", "orders"], { url });
    await connected;
    run.signal(signal);
    const { code, stderr } = await run.done;
    expect({ code, stderr }).toEqual({ code: CODES[signal], stderr: "" });
  });

  test.each([
    ["a worker", ["consume", "orders", "-g", "g", "--exec", "true"]],
    ["a reader of a group", ["consume", "orders", "-g", "g"]],
    ["a follower", ["consume", "orders", "-f"]],
    ["a watch", ["lag", "--watch"]],
    ["an exporter", ["serve-metrics", "--metrics-port", "0"]],
  ])("%s has come to its end: 0", async (_, argv) => {
    const { url, connected } = await silentServer();
    const run = new CliRun(argv, { url });
    await connected;
    run.signal("SIGTERM");
    const { code, stderr } = await run.done;
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
  });
});
