import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scheduleKeys } from "../../../src/redis/ops/schedule-keys.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { NO_FENCE } from "../../../src/redis/ops/owned.ts";
import { groupName } from "../../../src/entry/names.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { entryId } from "../../support/ids.ts";
import { killedMidway } from "../../support/midway.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { drain, fill, scratchDir } from "../../support/worker.ts";

/** Three entries: overdue, due in an hour, due in two. Gives their IDs in that order. */
async function three(key: string): Promise<string[]> {
  const ids: string[] = [];
  for (const [n, when] of [
    ["2", "2h"],
    ["0", "2020-01-01T00:00:00Z"],
    ["1", "1h"],
  ] as const) {
    const flag = when.includes("T") ? "--at" : "--delay";
    const { stdout } = await cli(["produce", key, `n=${n}`, "bin=\u0000", flag, when]);
    ids[Number(n)] = stdout.trim();
  }
  return ids;
}

async function listed(key: string, ...flags: string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await cli(["schedule", "list", key, "-o", "ndjson", ...flags]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return ndjson(stdout).map(({ fields }) => (fields as { n?: string } | null)?.n);
}

/** An entry of group g, put off for a minute by consumer c. */
async function putOff(key: ReturnType<typeof uniqueKey>): Promise<string> {
  const redis = rawRedis();
  const [id = ""] = await fill(redis, key, 1);
  await redis.xgroup("CREATE", key, "g", "0");
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, ">");
  const keys = scheduleKeys(key, false);
  const streams = streamsOf(await openConnection());
  const claim = { id: entryId(id), fence: NO_FENCE };
  const member = { group: groupName("g"), consumer: "c" };
  const why = { delayMs: 60_000, reason: "rate limited", deliveries: 0 };
  if (keys) await streams.putOff(key, member, keys, claim, why);
  return id;
}

describe("schedule list", () => {
  test("shows what is due first first, with its time, how far that is, and its fields", async () => {
    const key = uniqueKey();
    const ids = await three(key);
    const { stdout } = await cli(["schedule", "list", key, "-o", "ndjson"]);
    const rows = ndjson(stdout);
    expect(rows.map(({ id }) => id)).toEqual(ids);
    expect(rows[0]).toEqual({
      stream: key,
      id: ids[0],
      dueAt: "2020-01-01T00:00:00.000Z",
      dueInMs: expect.any(Number),
      group: null,
      originalId: null,
      reason: null,
      fields: { n: "0", bin: "\u0000" },
    });
    expect(rows[0]?.["dueInMs"]).toBeLessThan(0);
    expect(Number(rows[1]?.["dueInMs"])).toBeGreaterThan(3_000_000);
    const table = await cli(["schedule", "list", key, "-o", "table"], { columns: 120 });
    expect(table.stdout).toMatch(/ago/);
    expect(table.stdout).toMatch(/in (59m|1h)/);
  });

  test("takes filters: by time, overdue, fields, number", async () => {
    const key = uniqueKey();
    await three(key);
    expect(await listed(key)).toEqual(["0", "1", "2"]);
    expect(await listed(key, "--overdue")).toEqual(["0"]);
    expect(await listed(key, "--until", "+90m")).toEqual(["0", "1"]);
    expect(await listed(key, "--since", "+90m")).toEqual(["2"]);
    expect(await listed(key, "--since", "5m", "--until", "+90m")).toEqual(["1"]);
    expect(await listed(key, "--since", "2019-01-01", "--until", "2020-01-01T00:00:00Z")).toEqual(["0"]);
    expect(await listed(key, "--where", "n=1")).toEqual(["1"]);
    expect(await listed(key, "--limit", "2")).toEqual(["0", "1"]);
    expect(await listed(key, "-g", "g")).toEqual([]);
  });

  test("exits 6 with --fail-if-any, and says on a terminal that there is nothing", async () => {
    const key = uniqueKey();
    expect((await cli(["schedule", "list", key, "--overdue", "--fail-if-any"])).code).toBe(0);
    const empty = await cli(["schedule", "list", key], { columns: 100 });
    expect(empty.stderr).toContain(`nothing is scheduled for ${key}`);
    await three(key);
    expect((await cli(["schedule", "list", key, "--overdue", "--fail-if-any"])).code).toBe(6);
  });

  test("comes through more pages than one, also where all are due at the same time", async () => {
    const key = uniqueKey();
    const stdin = Array.from({ length: 1_750 }, (_, n) => `{"n":"${n}"}\n`).join("");
    await cli(["produce", key, "--at", "2099-01-01T00:00:00Z"], { stdin });
    expect(await listed(key)).toEqual(Array.from({ length: 1_750 }, (_, n) => String(n)));
  });

  test("shows whose entry was put off and why, and what can't be read", async () => {
    const key = uniqueKey();
    const id = await putOff(key);
    const redis = rawRedis();
    await redis.zadd(`${key}:scheduled`, "inf", "0000000000000001");
    const rows = ndjson((await cli(["schedule", "list", key, "-o", "ndjson"])).stdout);
    expect(rows).toMatchObject([
      { group: "g", originalId: id, reason: "rate limited", fields: null, dueAt: expect.any(String) },
      { id: "scheduled:0000000000000001", dueAt: null, dueInMs: null, group: null, fields: null },
    ]);
  });

  test("names a key of another type", async () => {
    const key = uniqueKey();
    await rawRedis().set(`${key}:scheduled`, "x");
    const { code, stderr } = await cli(["schedule", "list", key]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${key}:scheduled, or the key beside it, is no schedule`);
  });
});

describe("schedule cancel", () => {
  test("by ID: what is named is never added, and a second time it is not there", async () => {
    const key = uniqueKey();
    const ids = await three(key);
    const done = await cli(["schedule", "cancel", key, ids[0]!, ids[2]!, "-y"]);
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining("cancelled 2 scheduled entries") });
    expect(await listed(key)).toEqual(["1"]);
    expect((await cli(["schedule", "run", key, "--once"])).stderr).toContain("added 0 entries");
    const again = await cli(["schedule", "cancel", key, ids[0]!, ids[1]!, "-y"]);
    expect(again).toMatchObject({ code: 5, stderr: expect.stringContaining(`not scheduled for ${key}`) });
    expect((await cli(["schedule", "cancel", key, ids[0]!, "-y"])).code).toBe(4);
    expect(await rawRedis().exists(`${key}:scheduled`, `${key}:scheduled:entries`)).toBe(0);
  });

  test("by filters, after a dry run that changes nothing, and with an archive that can be scheduled again", async () => {
    const key = uniqueKey();
    await three(key);
    const file = join(await scratchDir(), "cancelled.ndjson");
    const dry = await cli(["schedule", "cancel", key, "--since", "+30m", "--dry-run", "-o", "ndjson"]);
    expect(ndjson(dry.stdout)).toHaveLength(2);
    expect(dry.stderr).toContain("would cancel 2 scheduled entries");
    expect(await listed(key)).toHaveLength(3);
    const done = await cli(["schedule", "cancel", key, "--since", "+30m", "--archive", file, "-y"]);
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining(`2 are in ${file}`) });
    expect(await listed(key)).toEqual(["0"]);
    const stdin = await readFile(file);
    await cli(["produce", key, "--input", "entries", "--delay", "1h"], { stdin });
    expect(await listed(key)).toEqual(["0", "1", "2"]);
  });

  test("needs to know what is meant, and -y where it can't ask", async () => {
    const key = uniqueKey();
    await three(key);
    expect((await cli(["schedule", "cancel", key, "-y"])).code).toBe(2);
    expect((await cli(["schedule", "cancel", key, "--all"])).code).toBe(2);
    expect((await cli(["schedule", "cancel", key, "1-1", "-y"])).stderr).toContain(
      "IDs look like scheduled:",
    );
    expect(await listed(key)).toHaveLength(3);
    const all = await cli(["schedule", "cancel", key, "--all", "-y", "-o", "json"]);
    expect(JSON.parse(all.stderr)).toEqual({
      stream: key,
      cancelled: 3,
      givenBack: 0,
      archived: 0,
      error: null,
    });
  });

  test("an entry that was put off goes back to its group at once", async () => {
    const key = uniqueKey();
    const id = await putOff(key);
    const done = await cli(["schedule", "cancel", key, "-g", "g", "-y"]);
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining("1 of them given back") });
    expect((await drain(key, 'echo "$STREAMCTL_ID"')).stdout).toBe(`${id}\n`);
  });

  test("a repeat after a lost reply cancels nothing else", async () => {
    const key = uniqueKey();
    const ids = await three(key);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(`\r\n${key}:scheduled:entries\r\n$${ids[0]!.length - 10}\r\n`);
    const done = await cli(["schedule", "cancel", key, ids[0]!, "-y"], { url: proxy.url });
    await lost;
    expect(done.code).toBe(0);
    expect(await listed(key)).toEqual(["1", "2"]);
  });
});

describe("schedule run", () => {
  test("--once adds what is overdue and ends", async () => {
    const key = uniqueKey();
    await three(key);
    const once = await cli(["schedule", "run", key, "--once"]);
    expect(once).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("added 1 entry") });
    expect(await rawRedis().xlen(key)).toBe(1);
    expect(await listed(key)).toEqual(["1", "2"]);
  });

  test("goes on until a signal, adds what comes due meanwhile, for several streams", async () => {
    const [one, two] = [uniqueKey(), uniqueKey()];
    const redis = rawRedis();
    const run = new CliRun(["schedule", "run", one, two]);
    await until("it runs", () => run.stderr.includes("adding what is scheduled"));
    await cli(["produce", one, "n=1", "--delay", "50ms"]);
    await cli(["produce", two, "n=2", "--delay", "0"]);
    await until("both are there", async () => (await redis.exists(one, two)) === 2);
    run.signal("SIGTERM");
    expect(await run.done).toMatchObject({ code: 0, stderr: expect.stringContaining("added 2 entries") });
  });

  test("two of them, one killed again and again, add each entry once", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const count = 3_000;
    const stdin = Array.from({ length: count }, (_, n) => `{"n":${n}}\n`).join("");
    await cli(["produce", key, "--delay", "0"], { stdin });
    const proxy = await Proxy.start();
    const beside = new CliRun(["schedule", "run", key], { url: proxy.url });
    await proxy.holdWhen(async () => (await redis.xlen(key)) > 0);
    for (let n = 0; n < 2; n++) {
      const before = await redis.xlen(key);
      await killedMidway(["schedule", "run", key], async () => (await redis.xlen(key)) > before);
    }
    expect(await redis.zcard(`${key}:scheduled`)).toBeGreaterThan(0);
    proxy.release();
    await until("all are there", async () => (await redis.exists(`${key}:scheduled`)) === 0);
    beside.signal("SIGTERM");
    await beside.done;
    const values = (await redis.xrange(key, "-", "+")).map(([, fields]) => Number(fields[1]));
    expect(values).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  test("a look at many streams is a few commands, however many there are", async () => {
    const keys = Array.from({ length: 250 }, () => uniqueKey());
    await cli(["produce", keys[249]!, "n=1", "--delay", "0"]);
    const proxy = await Proxy.start();
    let asked = "";
    proxy.onRequest = (bytes) => (asked += bytes.toString("latin1"));
    const run = await cli(["schedule", "run", ...keys, "--once"], { url: proxy.url });
    expect(run.stderr).toContain("added 1 entry");
    // Three looks, and the step that adds; a script that the server does not know is sent once more.
    expect(asked.match(/\r\nEVALSHA\r\n/g)).toHaveLength(4);
  });

  test("this machine's clock is not asked", async () => {
    const key = uniqueKey();
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
    try {
      await cli(["produce", key, "n=1", "--delay", "30m"]);
      expect((await cli(["schedule", "run", key, "--once"])).stderr).toContain("added 0 entries");
      const [row] = ndjson((await cli(["schedule", "list", key, "-o", "ndjson"])).stdout);
      expect(Number(row?.["dueInMs"])).toBeGreaterThan(25 * 60_000);
      expect(Number(row?.["dueInMs"])).toBeLessThanOrEqual(30 * 60_000);
    } finally {
      Date.now = now;
    }
  });

  test("ends with the reason where it may not, or can't, add", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    await cli(["produce", key, "n=1", "--delay", "0"]);
    await redis.lpush(key, "x");
    const wrong = await cli(["schedule", "run", key, "--once"]);
    expect(wrong).toMatchObject({ code: 5, stderr: expect.stringContaining("what is scheduled waits") });
  });
});

test("lag and doctor say what is overdue, and nothing of what is not", async () => {
  const key = uniqueKey();
  const redis = rawRedis();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  await cli(["produce", key, "n=1", "--delay", "1h"]);
  expect((await cli(["lag", key])).stderr).toBe("");
  const doctor = async () =>
    ndjson((await cli(["doctor", key])).stdout).filter(({ check }) => check === "schedule-overdue");
  expect(await doctor()).toEqual([]);
  await cli(["produce", key, "n=2", "--at", "2020-01-01"]);
  const lag = await cli(["lag", key]);
  expect(lag.code).toBe(0);
  expect(lag.stderr).toMatch(/what is scheduled has been overdue for \d+d( \d+h)?: no worker adds it/);
  expect(await doctor()).toMatchObject([{ severity: "error", stream: key }]);
  await redis.del(`${key}:scheduled`);
  await redis.set(`${key}:scheduled`, "x");
  expect((await cli(["lag", key])).stderr).toBe("");
});

test("the consumer that has what was put off looks dead to nobody, however long that is", async () => {
  const key = uniqueKey();
  const id = await putOff(key);
  await rawRedis().xclaim(key, "g", "streamctl-scheduled", 0, id, "IDLE", 86_400_000, "JUSTID");
  const rows = ndjson((await cli(["group", "consumers", key, "-g", "g"])).stdout);
  expect(rows).toMatchObject([{}, { consumer: "streamctl-scheduled", pending: 1, looksDead: false }]);
  const found = ndjson((await cli(["doctor", key])).stdout).map(({ check }) => check);
  expect(found).not.toContain("dead-consumer");
});
