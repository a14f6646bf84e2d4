import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { age, pendingRows, pendingStream } from "../../support/pending.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { startWorker } from "../../support/worker.ts";
import { serverUrl } from "../../support/server-url.ts";

describe("claim by ID", () => {
  test("moves those entries, counts no delivery, and prints what they were", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 4);
    await age(redis, key, "3-0", { owner: "a", idleMs: 60_000, deliveries: 4 });
    const { code, stdout, stderr } = await cli(["claim", key, "-g", "g", "1-0", "3-0", "--to", "z"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "streamctl: gave 2 to z\n" });
    const rows = ndjson(stdout);
    expect(rows).toEqual([
      { stream: key, group: "g", id: "1-0", from: "a", to: "z", idleMs: expect.any(Number), deliveries: 1 },
      { stream: key, group: "g", id: "3-0", from: "a", to: "z", idleMs: expect.any(Number), deliveries: 4 },
    ]);
    expect(rows[1]?.["idleMs"]).toBeGreaterThanOrEqual(60_000);
    expect(await pendingRows(redis, key)).toEqual([
      ["1-0", "z", 1],
      ["2-0", "b", 1],
      ["3-0", "z", 4],
      ["4-0", "b", 1],
    ]);
  });

  test("--count-delivery counts one", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await age(redis, key, "1-0", { owner: "a", deliveries: 4 });
    const { stdout } = await cli(["claim", key, "-g", "g", "1-0", "--to", "z", "--count-delivery"]);
    expect(ndjson(stdout)).toMatchObject([{ id: "1-0", deliveries: 5 }]);
    expect(await pendingRows(redis, key)).toEqual([
      ["1-0", "z", 5],
      ["2-0", "b", 1],
    ]);
  });

  test("never makes an entry pending that is not: exit 4, or 5 when others moved", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xadd(key, "3-0", "n", "3");
    await redis.xack(key, "g", "2-0");
    const some = await cli(["claim", key, "-g", "g", "1-0", "2-0", "3-0", "9-9", "--to", "z"]);
    expect(some.code).toBe(5);
    for (const id of ["2-0", "3-0", "9-9"]) expect(some.stderr).toContain(`${id} is not pending`);
    const none = await cli(["claim", key, "-g", "g", "2-0", "3-0", "--to", "z"]);
    expect(none.code).toBe(4);
    expect(await pendingRows(redis, key)).toEqual([["1-0", "z", 1]]);
  });

  test("an entry that the consumer has already stays as it is", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    await age(redis, key, "1-0", { owner: "a", idleMs: 60_000 });
    const { code, stdout, stderr } = await cli(["claim", key, "-g", "g", "1-0", "--to", "a"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toContain("1 were there already");
    const [row] = (await redis.xpending(key, "g", "-", "+", 1)) as [string, string, number][];
    expect(row?.[2]).toBeGreaterThanOrEqual(60_000);
  });

  test("reads IDs and printed rows from stdin, and counts lines that are neither", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 300);
    const listed = await cli(["pending", key, "-g", "g", "--list", "--consumer", "a"]);
    const moved = await cli(["claim", key, "-g", "g", "-", "--to", "z"], { stdin: listed.stdout });
    expect(moved.code).toBe(0);
    expect(ndjson(moved.stdout)).toHaveLength(150);
    const odd = await cli(["claim", key, "-g", "g", "-", "--to", "z"], { stdin: '2-0\n\n{"a":1}\nfoo\n4-0' });
    expect(odd.code).toBe(5);
    expect(ndjson(odd.stdout).map(({ id }) => id)).toEqual(["2-0", "4-0"]);
    expect(odd.stderr).toContain('line 3 is no entry ID: {"a":1}');
    expect(odd.stderr).toContain("line 4 is no entry ID: foo");
  });

  test("filters hold for named entries, too", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    await age(redis, key, "1-0", { owner: "a", idleMs: 60_000 });
    const { code, stderr } = await cli([
      "claim",
      key,
      "-g",
      "g",
      "1-0",
      "2-0",
      "3-0",
      "--to",
      "z",
      "--min-idle",
      "30s",
    ]);
    expect(code).toBe(5);
    expect(stderr).toContain("2-0 does not match: pending for b, idle for");
    expect((await pendingRows(redis, key)).map(([, owner]) => owner)).toEqual(["z", "b", "a"]);
  });
});

describe("claim --all", () => {
  test("moves what the filters let through, over page ends, and no more than the limit", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2_300);
    for (const id of ["1-0", "2-0", "1999-0", "2300-0"])
      await age(redis, key, id, {
        owner: Number(id.split("-")[0]) % 2 ? "a" : "b",
        idleMs: 60_000,
        deliveries: 3,
      });
    const idsOf = async (...flags: string[]): Promise<unknown[]> => {
      const { code, stdout } = await cli(["claim", key, "-g", "g", "--all", "--to", "z", ...flags]);
      expect(code).toBe(0);
      return ndjson(stdout).map(({ id }) => id);
    };
    const stuck = ["--min-idle", "30s", "--min-deliveries", "3"];
    expect(await idsOf(...stuck, "--dry-run")).toEqual(["1-0", "2-0", "1999-0", "2300-0"]);
    expect(await idsOf(...stuck, "--from-consumer", "b", "--dry-run")).toEqual(["2-0", "2300-0"]);
    expect(await idsOf(...stuck, "--limit", "1")).toEqual(["1-0"]);
    expect(await idsOf(...stuck, "--consumer", "a")).toEqual(["1999-0"]);
    expect(await idsOf(...stuck)).toEqual(["2-0", "2300-0"]);
    expect(await idsOf()).toHaveLength(2_296);
    expect(await idsOf(), "they have all moved").toEqual([]);
  });

  test("--dry-run changes nothing and says what the run then does", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 250);
    await redis.xdel(key, "7-0");
    const argv = [
      "claim",
      key,
      "-g",
      "g",
      "--all",
      "--from-consumer",
      "a",
      "--to",
      "z",
      "--drop-missing",
      "-y",
    ];
    const before = await pendingRows(redis, key);
    const dry = await cli([...argv, "--dry-run"]);
    expect(dry.stderr).toBe("streamctl: would give 124 to z, would ack 1 without data\n");
    expect(await pendingRows(redis, key)).toEqual(before);
    expect(await redis.xinfo("CONSUMERS", key, "g")).toHaveLength(2);
    const real = await cli(argv);
    const idsOf = (text: string): unknown[] => ndjson(text).map(({ id, to }) => [id, to]);
    expect(idsOf(real.stdout)).toEqual(idsOf(dry.stdout));
  });

  test("leaves entries without data alone, and says so", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    await redis.xdel(key, "2-0");
    const { code, stdout, stderr } = await cli(["claim", key, "-g", "g", "--all", "--to", "z"]);
    expect(code).toBe(0);
    expect(ndjson(stdout).map(({ id }) => id)).toEqual(["1-0", "3-0"]);
    expect(stderr).toContain("1 entry has no data any more and did not move: --drop-missing clears that");
    expect((await pendingRows(redis, key)).map(([, owner]) => owner)).toEqual(["z", "b", "z"]);
  });

  test("a group with nothing pending: nothing printed, exit 0", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const { code, stdout } = await cli(["claim", key, "-g", "g", "--all", "--to", "z", "-o", "json"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "[]\n" });
  });
});

describe("claim --drop-missing", () => {
  test("acks exactly what has no data, without --to moves nothing else", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 6);
    await redis.xdel(key, "5-0");
    await redis.xtrim(key, "MAXLEN", 4);
    const { code, stdout, stderr } = await cli(["claim", key, "-g", "g", "--all", "--drop-missing", "-y"]);
    expect(code).toBe(0);
    expect(ndjson(stdout).map(({ id, to }) => [id, to])).toEqual([
      ["1-0", null],
      ["5-0", null],
    ]);
    expect(stderr).toBe("streamctl: acked 2 without data\n");
    expect((await pendingRows(redis, key)).map(([id]) => id)).toEqual(["2-0", "3-0", "4-0", "6-0"]);
  });

  test("asks first: without a terminal and -y it refuses and changes nothing", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xdel(key, "1-0");
    const { code, stderr } = await cli(["claim", key, "-g", "g", "--all", "--drop-missing"]);
    expect(code).toBe(2);
    expect(stderr).toContain("pass -y");
    expect(await pendingRows(redis, key)).toHaveLength(2);
  });

  test("by ID: an entry that has its data stays pending", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xdel(key, "1-0");
    const { code, stderr } = await cli(["claim", key, "-g", "g", "1-0", "2-0", "--drop-missing", "-y"]);
    expect(code).toBe(5);
    expect(stderr).toContain("2-0 still has its data");
    expect((await pendingRows(redis, key)).map(([id]) => id)).toEqual(["2-0"]);
  });
});

test("two claims at once and an ack in between: every entry ends with one owner, none comes back", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 3_000);
  const argv = ["claim", key, "-g", "g", "--all", "--from-consumer", "a"];
  const acked = Array.from({ length: 500 }, (_, n) => `${2 * n + 1}-0`);
  const [x, y] = await Promise.all([
    cli([...argv, "--to", "x"]),
    cli([...argv, "--to", "y"]),
    redis.xack(key, "g", ...acked),
  ]);
  const claimed = [x, y].flatMap(({ stdout }) => ndjson(stdout).map(({ id }) => id as string));
  expect(new Set(claimed).size, "claimed from a by both").toBe(claimed.length);
  const rows = await pendingRows(redis, key);
  expect(rows).toHaveLength(2_500);
  expect(rows.some(([id]) => acked.includes(id))).toBe(false);
  for (const { stdout } of [x, y])
    for (const { id, to } of ndjson(stdout))
      if (!acked.includes(id as string)) expect(rows).toContainEqual([id, to, 1]);
});

test("a running worker runs what is claimed for its name, once", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 20);
  const worker = startWorker(key, "cat", ["--consumer", "w", "--claim-idle", "900ms"]);
  await until("the worker reads", async () => {
    const consumers = (await redis.xinfo("CONSUMERS", key, "g")) as string[][];
    return consumers.some((consumer) => consumer.includes("w"));
  });
  expect((await cli(["claim", key, "-g", "g", "--all", "--to", "w"])).code).toBe(0);
  await until("all are acked", async () => (await pendingRows(redis, key)).length === 0);
  worker.signal("SIGTERM");
  const { code, stdout } = await worker.done;
  expect(code).toBe(0);
  const ran = ndjson(stdout).map(({ id }) => id);
  expect([ran.length, new Set(ran).size]).toEqual([20, 20]);
});

test("Ctrl-C stops between two steps, and the summary counts what moved", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 8_000);
  const proxy = await Proxy.start();
  const run = new CliRun(["claim", key, "-g", "g", "--all", "--to", "z"], { url: proxy.url });
  await proxy.holdWhen(async () => run.stdout !== "");
  run.signal("SIGINT");
  proxy.release();
  const { code, stdout, stderr } = await run.done;
  expect(code).toBe(130);
  const moved = (await pendingRows(redis, key)).filter(([, owner]) => owner === "z").length;
  expect(moved).toBeLessThan(8_000);
  expect([ndjson(stdout).length, stderr]).toEqual([moved, `streamctl: gave ${moved} to z\n`]);
});

test("moves a long list in small steps: no call to the server takes more than 100 entries", async () => {
  const server = await SandboxServer.start({ executable: inject("redisExecutable") });
  onTestFinished(() => server.stop());
  const redis = rawRedis(server.url);
  await redis.xgroup("CREATE", "s", "g", "0", "MKSTREAM");
  const fill = "for i = 1, 10000 do redis.call('XADD', KEYS[1], '*', 'orderId', i, 'amount', '9.99') end";
  for (let n = 0; n < 5; n++) {
    await redis.eval(fill, 1, "s");
    await redis.xreadgroup("GROUP", "g", "dead", "COUNT", 10_000, "STREAMS", "s", ">");
  }
  await redis.config("RESETSTAT");
  const argv = ["claim", "s", "-g", "g", "--all", "--from-consumer", "dead", "--to", "z", "-o", "raw"];
  const { code, stdout, stderr } = await cli(argv, { url: server.url });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "streamctl: gave 50000 to z\n" });
  expect(stdout.split("\n")).toHaveLength(50_001);
  const stats = await redis.info("commandstats");
  const calls = (command: string): number =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  expect(calls("evalsha")).toBe(500);
  // Each step looks every entry up; beyond that, the pages of the list, which are less full where they are read ahead.
  expect(calls("xpending") - 50_000).toBeLessThan(100);
});

describe("claim refuses", () => {
  test("a missing stream or group, and a key of another type", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const group = await cli(["claim", key, "-g", "billing", "1-0", "--to", "z"]);
    expect(group.code).toBe(4);
    expect(group.stderr).toContain(`no group "billing" on ${key}: groups are g`);
    const stream = await cli(["claim", `${key}:nowhere`, "-g", "g", "--all", "--to", "z"]);
    expect(stream.code).toBe(4);
    expect(stream.stderr).toContain(`no such stream: ${key}:nowhere`);
    const consumer = await cli(["claim", key, "-g", "g", "--all", "--consumer", "x", "--to", "z"]);
    expect(consumer.code).toBe(4);
    expect(consumer.stderr).toContain(`no consumer "x" in group "g"`);
    const text = uniqueKey();
    await redis.set(text, "x");
    const wrong = await cli(["claim", text, "-g", "g", "1-0", "--to", "z"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(`${text} is a string, not a stream`);
  });

  test.each([
    [["s", "1-0", "--to", "z"], "-g GROUP"],
    [["s", "-g", "g", "1-0"], "--to CONSUMER"],
    [["s", "-g", "g", "--to", "z"], "which entries"],
    [["s", "-g", "g", "--to", "z", "--all", "1-0"], "either IDs or --all"],
    [["s", "-g", "g", "--to", "z", "foo"], "foo is no entry ID"],
    [["s", "-g", "g", "--to", "z", "1-0", "--limit", "3"], "--limit goes with --all"],
    [["s", "-g", "g", "--to", "z", "-", "1-0"], "- reads all IDs from stdin"],
    [["s", "-g", "g", "--to", "z", "--all", "--consumer", "a", "--from-consumer", "b"], "mean the same"],
  ])("%j", async (args, message) => {
    const { code, stderr } = await cli(["claim", ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test("a user without the rights, in one line", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const user = uniqueKey("u").replaceAll(":", "-");
    await redis.call(
      "ACL",
      "SETUSER",
      user,
      "on",
      ">pw",
      "~*",
      "-@all",
      "+xpending",
      "+xrange",
      "+eval",
      "+evalsha",
      "+ping",
    );
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const { hostname, port } = new URL(serverUrl());
    const { code, stderr } = await cli(["claim", key, "-g", "g", "1-0", "--to", "z"], {
      url: `redis://${user}:pw@${hostname}:${port}`,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^streamctl: error: no permission for claim on .*\n$/m);
    expect(await pendingRows(redis, key)).toEqual([["1-0", "a", 1]]);
  });
});
