import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  closedGate,
  deadLetters,
  drain,
  fill,
  pendingIn,
  scratchDir,
  startWorker,
} from "../../support/worker.ts";

describe("who owns an entry", () => {
  test("entries of a worker that died are taken over once they have been idle long enough", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 2, "STREAMS", stream, ">");
    const result = await drain(stream, 'echo "$STREAMCTL_DELIVERIES"', ["-v"]);
    expect(result.stdout.trim().split("\n").sort()).toEqual(["1", "2", "2"]);
    expect(result.stderr.match(/taken over from ghost/g)).toHaveLength(2);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("entries behind thousands that are not due are taken over one after the other, not one per sweep", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    for (let n = 0; n < 40; n++) {
      const adding = redis.pipeline();
      for (let i = 1; i <= 100; i++) adding.xadd(stream, `${n * 100 + i}-0`, "n", "kept");
      await adding.exec();
    }
    await redis.xreadgroup("GROUP", "g", "living", "COUNT", 4_000, "STREAMS", stream, ">");
    for (let i = 1; i <= 20; i++) await redis.xadd(stream, `${5_000 + i}-0`, "n", "abandoned");
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 20, "STREAMS", stream, ">");
    const ids = Array.from({ length: 20 }, (_, i) => `${5_001 + i}-0`);
    await redis.call("XCLAIM", stream, "g", "ghost", "0", ...ids, "IDLE", "70000", "JUSTID");
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', ["--claim-idle", "60s"]);
    await until("all that was abandoned has run", () => worker.stdout.split("\n").length > 20);
  });

  test("nothing is taken from a living worker, however slow its handler", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const dir = await scratchDir();
    const slow = `echo "$STREAMCTL_ID" >> ${dir}/runs; sleep 6`;
    // Longer than the machine may stand still between two heartbeats.
    const beats = ["--claim-idle", "5s"];
    const [one, two] = await Promise.all([drain(stream, slow, beats), drain(stream, slow, beats)]);
    expect(one.stderr + two.stderr).not.toContain("taken over");
    const runs = (await readFile(`${dir}/runs`, "utf8")).trim().split("\n");
    expect(new Set(runs).size).toBe(2);
    expect(runs).toHaveLength(2);
  });

  test.each([
    ["success", "exit 0", /its ack was dropped/],
    ["failure", "exit 65", /its dead letter was dropped/],
  ])(
    "a %s of a worker that lost the entry counts for nothing, and is not stolen back",
    async (_, command, message) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      const [id] = await fill(redis, stream, 1);
      const gate = await closedGate();
      const worker = startWorker(stream, `echo started; ${gate.wait}; ${command}`, ["--claim-idle", "6s"]);
      await until("the handler runs", () => worker.stdout.includes("started"));
      await redis.xclaim(stream, "g", "thief", 0, id as string);
      // A heartbeat comes, which must not take it back.
      await new Promise((resolve) => setTimeout(resolve, 2_200));
      await gate.open();
      await until("the verdict was dropped", () => message.test(worker.stderr));
      const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string][];
      expect(rows.map(([pending, owner]) => [pending, owner])).toEqual([[id, "thief"]]);
      expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    },
  );

  test("an entry that was acked by hand meanwhile is left alone", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo started; ${gate.wait}; exit 1`);
    await until("the handler runs", () => worker.stdout.includes("started"));
    await redis.xack(stream, "g", id as string);
    await gate.open();
    await until("the verdict was dropped", () => /its retry was dropped/.test(worker.stderr));
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test.each([
    ["exit 65", [], / 600 dead-lettered/, 600],
    ["exit 0", ["--emit", uniqueKey()], / 600 ok/, 0],
  ] as const)(
    "%s %j: heartbeats that cross verdicts make nothing pending again",
    async (command, more, said, letters) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 600);
      // As many heartbeats as there can be.
      const beats = ["--claim-idle", "100ms", "-j", "6"];
      const result = await drain(stream, command, [...beats, ...more]);
      expect(result.stderr).not.toContain("pending again");
      expect(result.stderr).toMatch(said);
      expect(await redis.xlen(`${stream}:dlq`)).toBe(letters);
    },
  );

  test("a retry may be taken by another worker of the group, after its delay and not before", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const times = ["--retry-delay", "600ms", "--retry-max-delay", "600ms", "--claim-idle", "60s"];
    const failing = startWorker(stream, "exit 1", times);
    await until("it failed once", () => failing.stderr.includes("retry in"));
    failing.signal("SIGTERM");
    await failing.done;
    const [row] = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
    // The idle time is set ahead so that no more than the delay is left of --claim-idle.
    expect(row?.[2]).toBeGreaterThan(59_000);
    expect(row?.[3]).toBe(1);
    const result = await drain(stream, 'echo "$STREAMCTL_DELIVERIES"', times);
    expect(result.stdout).toBe("2\n");
  });

  test("an entry whose workers kept dying is dead-lettered instead of being run once more", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 1, "STREAMS", stream, ">");
    await redis.call(
      "XCLAIM",
      stream,
      "g",
      "ghost",
      "0",
      id as string,
      "IDLE",
      "100000",
      "RETRYCOUNT",
      "5",
      "JUSTID",
    );
    const result = await drain(stream, "echo ran");
    expect(result.stdout).toBe("");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { "dlq.deliveries": "5", "dlq.reason": expect.stringContaining("no verdict after 5 deliveries") },
    ]);
  });

  test("pending entries whose data is gone are cleared, not run and not looped over", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first, second] = await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 2, "STREAMS", stream, ">");
    await redis.xdel(stream, first as string);
    const result = await drain(stream, "cat");
    expect(result.stdout).toContain(second);
    expect(result.stdout).not.toContain(`"${first}"`);
    expect(result.stderr).toContain("1 without data");
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("no more is read than can start at once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 10);
    const worker = startWorker(stream, "echo started; sleep 30", ["-j", "3"]);
    await until("three handlers run", () => worker.stdout.split("started").length === 4);
    expect(await pendingIn(redis, stream)).toBe(3);
  });
});

describe("stopping", () => {
  test("lets what runs finish, reads nothing more, removes its consumer and exits 0", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo started; ${gate.wait}; echo finished`, ["-j", "2"]);
    await until("two handlers run", () => worker.stdout.split("started").length === 3);
    worker.signal("SIGTERM");
    await gate.open();
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stdout.match(/finished/g)).toHaveLength(2);
    expect(result.stderr).toContain("2 ok");
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await redis.xinfo("CONSUMERS", stream, "g")).toEqual([]);
  });

  test("an idle worker stops at once and leaves no consumer", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const worker = startWorker(stream, "cat");
    await until("the group is there", () => redis.exists(stream));
    worker.signal("SIGINT");
    expect((await worker.done).code).toBe(0);
    expect(await redis.xinfo("CONSUMERS", stream, "g")).toEqual([]);
  });

  test("past --shutdown-timeout the handlers are ended, and others get the entries at once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const worker = startWorker(stream, "echo started; sleep 30", [
      "--shutdown-timeout",
      "100ms",
      "--claim-idle",
      "60s",
    ]);
    await until("the handler runs", () => worker.stdout.includes("started"));
    worker.signal("SIGTERM");
    const result = await worker.done;
    expect(result.code).toBe(143);
    expect(result.stderr).toContain("1 killed");
    const next = await drain(stream, 'echo "$STREAMCTL_DELIVERIES"', ["--claim-idle", "60s"]);
    expect(next.stdout).toBe("2\n");
  });

  test("a second signal ends the handlers now and exits 128 + n", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const worker = startWorker(stream, "trap '' TERM; echo started; sleep 30; sleep 30");
    await until("the handler runs", () => worker.stdout.includes("started"));
    worker.signal("SIGINT");
    worker.signal("SIGINT");
    expect((await worker.done).code).toBe(130);
    expect(await pendingIn(redis, stream)).toBe(1);
  });

  test("a reply with entries that comes after the stop hands them back uncounted", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    // The command stops its own worker, whose next read is on its way by then.
    await fill(redis, stream, 1);
    const worker = startWorker(stream, "echo started; sleep 0.3", ["-j", "5", "--claim-idle", "60s"]);
    await until("the handler runs", () => worker.stdout.includes("started"));
    const adding = fill(redis, stream, 200);
    worker.signal("SIGTERM");
    await adding;
    expect((await worker.done).code).toBe(0);
    const rows = (await redis.xpending(stream, "g", "-", "+", 500)) as [string, string, number, number][];
    for (const row of rows) expect(row[3]).toBe(0);
    const rest = await drain(stream, 'echo "$STREAMCTL_DELIVERIES"', ["--claim-idle", "60s", "-j", "4"]);
    expect(new Set(rest.stdout.trim().split("\n"))).toEqual(new Set(["1"]));
  });

  test.each([
    ["--count 3", ["--count", "3"], 3],
    ["--idle-exit", ["--idle-exit", "2s"], 6],
    ["--until-empty", ["--until-empty"], 6],
  ])("%s ends the worker", async (_, ends, handled) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 6);
    const worker = startWorker(stream, "echo done", ["-j", "2", ...ends]);
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stdout).toBe("done\n".repeat(handled));
  });

  test("--max-runtime ends a worker that has nothing to do", async () => {
    const stream = uniqueKey();
    const worker = startWorker(stream, "cat", ["--max-runtime", "300ms"]);
    expect((await worker.done).code).toBe(0);
  });

  test("--until-empty waits for what another consumer holds", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "other", "COUNT", 1, "STREAMS", stream, ">");
    const worker = startWorker(stream, "cat", ["--until-empty", "--claim-idle", "60s"]);
    const winner = await Promise.race([
      worker.done,
      new Promise((resolve) => setTimeout(() => resolve("waits"), 700)),
    ]);
    expect(winner).toBe("waits");
    await redis.xack(stream, "g", id as string);
    expect((await worker.done).code).toBe(0);
  });
});
