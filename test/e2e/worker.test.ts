import { readFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { bin, BinRun } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { deadLetters, fill, pendingIn, scratchDir } from "../support/worker.ts";

const JOBS = 4;

function worker(stream: string, command: string, ...more: string[]): BinRun {
  const times = ["--claim-idle", "1s", "--retry-delay", "50ms", "--shutdown-timeout", "10s"];
  return new BinRun([
    "consume",
    stream,
    "-g",
    "g",
    "--create-group",
    "-j",
    String(JOBS),
    ...times,
    ...more,
    "--exec",
    command,
  ]);
}

/** Entries whose read was on its way at the stop stay pending, but are not counted as delivered. */
async function handedBack(redis: Redis, stream: string): Promise<{ counted: number; all: number }> {
  const rows = (await redis.xpending(stream, "g", "-", "+", 100)) as [string, string, number, number][];
  return { all: rows.length, counted: rows.filter(([, , , deliveries]) => deliveries > 0).length };
}

describe("a worker as a process", () => {
  test("killed with SIGKILL half-way, and another started: nothing is lost, and no more is run twice than was in flight", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const ids = await fill(redis, stream, 300);
    const poison = ids.filter((_, n) => n % 20 === 0);
    const command = `sleep 0.01; read -r line; echo "$STREAMCTL_ID" >> ${dir}/runs; case $line in *0\\"},*) n=\${line#*\\"n\\":\\"}; n=\${n%%\\"*}; test $((n % 20)) = 0 && exit 65;; esac; exit 0`;
    const first = worker(stream, command);
    const runs = async (): Promise<string[]> =>
      (await readFile(`${dir}/runs`, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
    await until("half of it is done", async () => (await runs()).length >= 150);
    first.signal("SIGKILL");
    expect((await first.done).signal).toBe("SIGKILL");
    await first.untilGone();
    const second = await worker(stream, command, "--until-empty").done;
    expect(second.code).toBe(0);
    const ran = await runs();
    expect(new Set(ran)).toEqual(new Set(ids));
    // Those that ran, and on a machine that stood still as many whose verdicts were on their way.
    expect(ran.length - ids.length).toBeLessThanOrEqual(2 * JOBS);
    const dead = (await deadLetters(redis, `${stream}:dlq`)).map((letter) => letter["dlq.id"]);
    expect(dead).toHaveLength(poison.length);
    expect(new Set(dead)).toEqual(new Set(poison));
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await redis.xinfo("CONSUMERS", stream, "g"), "nobody lives").toEqual([]);
  });

  test("killed with SIGKILL and started again under the same --consumer: goes on at once, and counts what it ran", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const name = ["--consumer", "pod-0", "--claim-idle", "10m"];
    const first = worker(stream, "echo started; sleep 60", ...name);
    await until("it works", () => first.stdout.split("started").length === 3);
    first.signal("SIGKILL");
    await first.done;
    const second = await worker(stream, 'echo "$STREAMCTL_DELIVERIES"', ...name, "--until-empty").done;
    expect(second).toMatchObject({ code: 0, stdout: "2\n2\n" });
  });

  test("SIGTERM under load exits 0 and leaves no process; what it had not started is handed back", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 200);
    const run = worker(stream, "sleep 0.05; echo handled");
    await until("it works", () => run.stdout.includes("handled"));
    run.signal("SIGTERM");
    const result = await run.done;
    expect(result).toMatchObject({ code: 0, signal: null });
    await run.untilGone();
    const { counted, all } = await handedBack(redis, stream);
    expect(counted).toBe(0);
    expect(await redis.xinfo("CONSUMERS", stream, "g")).toHaveLength(all > 0 ? 1 : 0);
  });

  test("a second Ctrl-C kills the handlers' process groups and exits 130", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const run = worker(
      stream,
      "trap '' TERM; echo started; (trap '' TERM; sleep 60; sleep 60) & sleep 60; sleep 60",
    );
    await until("the handler runs", () => run.stdout.includes("started"));
    run.signal("SIGINT");
    await until("it has heard the first", () => run.stderr.includes("stopping at SIGINT"));
    run.signal("SIGINT");
    expect(await run.done).toMatchObject({ code: 130 });
    await run.untilGone();
  });

  test("stdout's reader going away stops it quietly; what was handled is acked", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 500);
    const run = worker(stream, "echo handled", "--until-empty");
    await until("it works", () => run.stdout.includes("handled"));
    run.stdoutStream.destroy();
    const result = await run.done;
    expect(result).toMatchObject({ code: 0, signal: null });
    expect(result.stderr).not.toContain("EPIPE");
    expect((await handedBack(redis, stream)).counted).toBe(0);
  });

  test("its waiting shells go when it is killed with SIGKILL, and leave no file", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const run = worker(stream, "echo handled");
    await until("it works", () => run.stdout.split("handled").length === 4);
    run.signal("SIGKILL");
    await run.untilGone();
  });

  test("no server: one line and exit 3", async () => {
    const result = await bin(["consume", "s", "-g", "g", "--exec", "cat"], { url: "redis://127.0.0.1:1" });
    expect(result.code).toBe(3);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });

  test("a key that is no stream: one line and exit 1", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.lpush(key, "x");
    const result = await bin(["consume", key, "-g", "g", "--create-group", "--exec", "cat"]);
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${key} is a list, not a stream`),
    });
  });

  test("a group that does not exist: exit 4, in one line", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await bin(["consume", stream, "-g", "nobody", "--exec", "cat"]);
    expect(result).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`no group "nobody" on ${stream}`),
    });
  });
});
