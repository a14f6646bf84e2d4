import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { cli, CliRun, uniqueKey } from "../../support/cli.ts";
import { fullStdout, hasFull } from "../../support/full-disk.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { serverUrl } from "../../support/server-url.ts";
import { drain, fill, workerArgv } from "../../support/worker.ts";

const ALL = "cat; echo $STREAMCTL_DELIVERIES";

/** Ways to run a handler that prints, each with what makes it print. */
const MANNERS: readonly (readonly [string, readonly string[]])[] = [
  ["in a waiting shell", ["--exec", ALL]],
  ["in a shell of its own", ["--env-fields", "--exec", ALL]],
  ["as a program", ["--", "cat"]],
  ["for a batch in a waiting shell", ["--batch", "3", "--exec", ALL]],
  ["for a batch as a program", ["--batch", "3", "--", "cat"]],
  ["for a batch that it answers for", ["--batch", "3", "--exec", "cat; echo $ID ok >&3"]],
];

describe.skipIf(!hasFull)("a handler whose output has no room under stdout (needs /dev/full)", () => {
  test.each(MANNERS)("%s: the worker says so once, ends with 1 and acks nothing", async (_, handler) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 3);
    const argv = workerArgv(stream, "")
      .slice(0, -2)
      .concat(handler)
      .join("\n")
      .replace("$ID", ids[0] ?? "");
    const { code, stderr } = await cli(argv.split("\n"), { stdout: fullStdout() });
    expect(stderr.match(/could not write to stdout: ENOSPC/g)).toHaveLength(1);
    expect(code).toBe(1);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    const rest = await drain(stream, ALL, ["--max-deliveries", "1"]);
    expect(rest.code).toBe(0);
    // Nothing was counted: the next one to get them gets them for the first time.
    expect(rest.stdout.match(/^1$/gm)).toHaveLength(3);
    for (const id of ids) expect(rest.stdout).toContain(id);
  });

  test("what printed nothing is acked", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const command = 'test "$(cat)" = 0 || echo out';
    const argv = workerArgv(stream, command, "--stdin", "field:n");
    const { code } = await cli(argv, { stdout: fullStdout() });
    expect(code).toBe(1);
    const rest = await drain(stream, "cat");
    expect(rest.stdout).toMatch(/"n":"1"/);
    expect(rest.stdout).not.toMatch(/"n":"0"/);
  });
});

/** A reader that takes nothing until it is let go, and then everything. */
class Stalled extends Writable {
  #waiting: (() => void) | undefined;
  #going = false;
  bytes = 0;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytes += chunk.length;
    if (this.#going) done();
    else this.#waiting = done;
  }

  letGo(): void {
    this.#going = true;
    this.#waiting?.();
  }
}

test.each(MANNERS.slice(0, 5))(
  "a handler that fills stderr waits for its reader, %s",
  async (_, [...handler]) => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const command = "exec >&2; head -c 20000000 /dev/zero | tr '\\0' '\\n'";
    if (handler.at(-1) === "cat") handler.splice(-1, 1, "sh", "-c", command);
    else handler.splice(-1, 1, command);
    const stderr = new Stalled();
    const argv = workerArgv(stream, "", "--until-empty").slice(0, -2);
    const run = new CliRun([...argv, ...handler], { stderr });
    await until("it writes", () => stderr.writableLength > 4_000);
    await sleep(500);
    // What is under way, not what was written.
    expect(stderr.writableLength).toBeLessThan(1_000_000);
    stderr.letGo();
    expect((await run.done).code).toBe(0);
    expect(stderr.bytes).toBeGreaterThan(20_000_000);
  },
);

/** A reader that takes its time over every piece. */
class Slow extends Writable {
  readonly lines: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(chunk.toString("latin1"));
    setTimeout(done, 5);
  }
}

test.each(MANNERS.slice(0, 5))(
  "what a handler prints faster than it is read is passed on to the last byte, %s",
  async (_, [...handler]) => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const command = "seq 1 60000";
    if (handler.at(-1) === "cat") handler.splice(-1, 1, "sh", "-c", command);
    else handler.splice(-1, 1, command);
    const stdout = new Slow();
    const argv = workerArgv(stream, "", "--until-empty").slice(0, -2);
    expect((await new CliRun([...argv, ...handler], { stdout }).done).code).toBe(0);
    const printed = stdout.lines.join("").trim().split("\n");
    expect(printed).toHaveLength(60_000);
    expect(printed.at(-1)).toBe("60000");
  },
);

/** All at once: none may be so short that a slow machine needs it, and each is waited out. */
test.concurrent.for(MANNERS.slice(0, 5))(
  "--timeout does not count how long nobody reads what was printed, %s",
  async ([, handler], { expect }) => {
    const redis = new Redis(serverUrl());
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    redis.disconnect();
    const stdout = new Stalled();
    const argv = workerArgv(stream, "", "--until-empty", "--timeout", "4s").slice(0, -2);
    const run = new CliRun([...argv, ...handler], { stdout });
    await until("it prints", () => stdout.bytes > 0);
    await sleep(5_000);
    stdout.letGo();
    expect((await run.done).stderr).toContain("1 ok, 0 dead-lettered, 0 retried");
  },
);
