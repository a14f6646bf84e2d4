import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../support/cli.ts";
import { pendingRows } from "../support/pending.ts";
import { rawRedis } from "../support/redis.ts";

/** A stream of `count` orders `1-0` …, every third of customer 42 in its JSON, and a group g at its start. */
async function orders(count: number): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  const pipeline = redis.pipeline().xgroup("CREATE", key, "g", "0", "MKSTREAM");
  for (let n = 1; n <= count; n++) {
    const payload = JSON.stringify({ customer: { id: n % 3 === 0 ? 42 : n }, amount: n / 10 });
    pipeline.xadd(key, `${n}-0`, "payload", payload, "n", String(n));
  }
  await pipeline.exec();
  return key;
}

async function idsOf(argv: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await cli(argv);
  expect(code, stderr).toBe(0);
  return ndjson(stdout).map(({ id }) => id);
}

const OF_42 = ["--where", "payload.customer.id=42"];

describe("--where goes into JSON and compares numbers", () => {
  test("a range", async () => {
    const key = await orders(9);
    expect(await idsOf(["consume", key, ...OF_42])).toEqual(["3-0", "6-0", "9-0"]);
    expect(await idsOf(["consume", key, ...OF_42, "--where", "payload.amount>0.5"])).toEqual(["6-0", "9-0"]);
    expect(await idsOf(["consume", key, "--where", "n>=8"])).toEqual(["8-0", "9-0"]);
    expect(await idsOf(["consume", key, "--where", "nothing"])).toEqual([]);
  });

  test("pending entries: the list, the counts and the limit are of those that fit", async () => {
    const key = await orders(9);
    const redis = rawRedis();
    await redis.xreadgroup("GROUP", "g", "a", "COUNT", 5, "STREAMS", key, ">");
    await redis.xreadgroup("GROUP", "g", "b", "COUNT", 5, "STREAMS", key, ">");
    const list = ["pending", key, "-g", "g", "--list", ...OF_42];
    expect(await idsOf(list)).toEqual(["3-0", "6-0", "9-0"]);
    expect(await idsOf([...list, "--limit", "2"])).toEqual(["3-0", "6-0"]);
    expect(await idsOf([...list, "--consumer", "b"])).toEqual(["6-0", "9-0"]);
    const [row] = ndjson((await cli(list)).stdout);
    expect(row, "fields come only with --payload").not.toHaveProperty("fields");
    const [full] = ndjson((await cli([...list, "--payload"])).stdout);
    expect(full).toMatchObject({ fields: { n: "3" } });
    const summary = ndjson((await cli(["pending", key, "-g", "g", ...OF_42])).stdout);
    expect(summary).toMatchObject([
      { consumer: "a", pending: 1, minId: "3-0", maxId: "3-0" },
      { consumer: "b", pending: 2, minId: "6-0", maxId: "9-0" },
    ]);
    await redis.xdel(key, "6-0");
    expect(await idsOf(list), "what has no data fits nothing").toEqual(["3-0", "9-0"]);
  });

  test("a long pending list is filtered over page ends", async () => {
    const key = await orders(2_500);
    await rawRedis().xreadgroup("GROUP", "g", "a", "STREAMS", key, ">");
    expect(await idsOf(["pending", key, "-g", "g", "--list", "--where", "n~99$"])).toHaveLength(25);
    const { stdout } = await cli(["claim", key, "-g", "g", "--all", "--to", "z", ...OF_42]);
    expect(ndjson(stdout)).toHaveLength(833);
    const moved = (await pendingRows(rawRedis(), key)).filter(([, owner]) => owner === "z");
    expect(moved).toHaveLength(833);
    expect(moved.every(([id]) => Number.parseInt(id, 10) % 3 === 0)).toBe(true);
  });

  test("claim moves only what fits, up to its limit, and says what it would with --dry-run", async () => {
    const key = await orders(9);
    const redis = rawRedis();
    await redis.xreadgroup("GROUP", "g", "a", "STREAMS", key, ">");
    const claim = ["claim", key, "-g", "g", "--all", "--to", "z", ...OF_42, "--limit", "2"];
    expect(await idsOf([...claim, "--dry-run"])).toEqual(["3-0", "6-0"]);
    expect((await pendingRows(redis, key)).every(([, owner]) => owner === "a")).toBe(true);
    expect(await idsOf(claim)).toEqual(["3-0", "6-0"]);
    const owners = (await pendingRows(redis, key)).filter(([, owner]) => owner === "z").map(([id]) => id);
    expect(owners).toEqual(["3-0", "6-0"]);
  });

  test.each([
    [["--where", "a=1", "1-0"], /--where.*--all/],
    [["--where", "a=1", "--all", "--drop-missing"], /has none/],
  ])("claim %j: exit 2", async (args, message) => {
    const { code, stderr } = await cli(["claim", "orders", "-g", "g", "--to", "z", ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});

describe("consume -g --where", () => {
  test("prints and acks what fits, and leaves the rest pending", async () => {
    const key = await orders(9);
    const { code, stdout, stderr } = await cli(["consume", key, "-g", "g", "--until-empty", ...OF_42]);
    expect(code, stderr).toBe(0);
    expect(ndjson(stdout).map(({ id }) => id)).toEqual(["3-0", "6-0", "9-0"]);
    expect(stderr).toMatch(/printed 3 of the 9 entries looked at, acked 3 .*; 6 entries pending/);
    const ids = (await pendingRows(rawRedis(), key)).map(([id]) => id);
    expect(ids).toEqual(["1-0", "2-0", "4-0", "5-0", "7-0", "8-0"]);
  });

  test("--ack-unmatched acks the rest, too, and says how much that was", async () => {
    const key = await orders(2_500);
    const argv = ["consume", key, "-g", "g", "--until-empty", "--ack-unmatched", ...OF_42];
    const { code, stdout, stderr } = await cli(argv);
    expect(code, stderr).toBe(0);
    expect(ndjson(stdout)).toHaveLength(833);
    expect(stderr).toContain("acked 833, acked 1667 that do not match");
    expect(await pendingRows(rawRedis(), key)).toEqual([]);
    expect(await rawRedis().xinfo("CONSUMERS", key, "g"), "its consumer holds nothing and goes").toEqual([]);
  });

  test("--no-ack --ack-unmatched leaves just what was printed", async () => {
    const key = await orders(6);
    const argv = ["consume", key, "-g", "g", "--until-empty", "--no-ack", "--ack-unmatched", ...OF_42];
    expect((await cli(argv)).code).toBe(0);
    expect((await pendingRows(rawRedis(), key)).map(([id]) => id)).toEqual(["3-0", "6-0"]);
  });

  test("--count counts what was printed, and takes nothing beyond it", async () => {
    const key = await orders(30);
    const argv = ["consume", key, "-g", "g", "--count", "2", "--ack-unmatched", ...OF_42];
    expect(await idsOf(argv)).toEqual(["3-0", "6-0"]);
    expect(await pendingRows(rawRedis(), key)).toEqual([]);
    const [[, , , , , , , lastDelivered]] = (await rawRedis().xinfo("GROUPS", key)) as [unknown[]];
    expect(lastDelivered).toBe("6-0");
  });

  test("a worker runs what matches, and acks the rest without a run", async () => {
    const key = await orders(300);
    const worker = ["--exec", 'echo "$STREAMCTL_ID"', "-j", "2", "--ack-unmatched", ...OF_42];
    const { code, stdout, stderr } = await cli(["consume", key, "-g", "g", "--until-empty", ...worker]);
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split("\n").toSorted()).toEqual(
      Array.from({ length: 100 }, (_, n) => `${(n + 1) * 3}-0`).toSorted(),
    );
    expect(stderr).toContain("100 ok, 0 dead-lettered, 0 retried, 200 unmatched");
    expect(await pendingRows(rawRedis(), key)).toEqual([]);
  });

  test("a worker's --count is of what matches", async () => {
    const key = await orders(30);
    const worker = ["--exec", 'echo "$STREAMCTL_ID"', "--count", "2", "--ack-unmatched", ...OF_42];
    const { stdout } = await cli(["consume", key, "-g", "g", ...worker]);
    expect(stdout).toBe("3-0\n6-0\n");
  });

  test("an entry on which a regular expression runs away is dead-lettered, and stops no worker", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-0", "a", `${"a".repeat(40)}!`);
    await redis.xadd(key, "2-0", "a", "aaa");
    await redis.xgroup("CREATE", key, "g", "0");
    const worker = ["--exec", 'echo "$STREAMCTL_ID"', "--ack-unmatched", "--where", "a~^(a+)+$"];
    const { code, stdout } = await cli(["consume", key, "-g", "g", "--until-empty", ...worker]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "2-0\n" });
    const letters = ndjson((await cli(["dlq", "list", key])).stdout);
    expect(letters).toMatchObject([{ originalId: "1-0", reason: expect.stringContaining("runs away") }]);
  });

  test.each([
    [["--ack-unmatched"], /--ack-unmatched.*--where/],
    [["--where", "a=1", "--exec", "true"], /--ack-unmatched/],
  ])("%j: exit 2", async (args, message) => {
    const { code, stderr } = await cli(["consume", "orders", "-g", "g", ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});
