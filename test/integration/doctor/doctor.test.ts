import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, type CliOptions, ndjson, uniqueKey } from "../../support/cli.ts";
import { age, pendingRows, pendingStream } from "../../support/pending.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";

type Row = Record<string, unknown>;

/** What the doctor says about these streams, and its exit code. */
async function doctor(args: string[], options?: CliOptions): Promise<{ code: number; rows: Row[] }> {
  const { code, stdout } = await cli(["doctor", ...args], options);
  return { code, rows: ndjson(stdout) };
}

/** The findings about streams and groups: the shared server has some of its own. */
function aboutStreams(rows: readonly Row[]): Row[] {
  return rows.filter(({ stream }) => stream !== null);
}

describe("planted in a stream", () => {
  test("nothing: no finding, exit 0", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    const { code, rows } = await doctor([key]);
    expect(aboutStreams(rows)).toEqual([]);
    expect(code).toBe(0);
    expect(rows.find(({ check }) => check === "server")).toMatchObject({ stream: null });
  });

  test("a dead consumer that holds entries", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 3);
    await until("a has been silent", async () => {
      const { rows } = await doctor([key, "--dead-after", "50ms"]);
      return rows.some(({ check, consumer }) => check === "dead-consumer" && consumer === "a");
    });
    const { code, rows } = await doctor([key, "--dead-after", "50ms"]);
    expect(code).toBe(6);
    const found = rows.find(({ consumer }) => consumer === "a");
    expect(found).toMatchObject({ severity: "error", check: "dead-consumer", stream: key, group: "g" });
    expect(found?.["evidence"]).toMatch(/^it holds 2 pending entries and was not heard of for /);
    expect(found?.["fix"]).toContain(`streamctl claim ${key} -g g --all --from-consumer a --to CONSUMER`);
  });

  test("pending entries without data; its fix cures it", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 4);
    await redis.xdel(key, "2-0", "3-0");
    const { code, rows } = await doctor([key]);
    expect(code).toBe(6);
    const [found] = aboutStreams(rows);
    expect(found).toMatchObject({ severity: "error", check: "missing-data", stream: key, group: "g" });
    expect(found?.["evidence"]).toContain("2 of 4 pending entries have no data any more, from 2-0 on");
    const [program, ...fix] = String(found?.["fix"]).split(" ");
    expect(program).toBe("streamctl");
    expect((await cli([...fix, "-y"])).code).toBe(0);
    expect((await pendingRows(redis, key)).map(([id]) => id)).toEqual(["1-0", "4-0"]);
    expect((await doctor([key])).code).toBe(0);
  });

  test("a pile of empty consumers; its fix clears it", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const piled = async (): Promise<Row[]> => {
      const { rows } = await doctor([key, "--dead-after", "1ms"]);
      return rows.filter(({ check }) => check === "empty-consumers");
    };
    for (let n = 0; n < 12; n++) await redis.xclaim(key, "g", `pod-${n}`, 0, "1-0", "JUSTID");
    await redis.xclaim(key, "g", "a", 0, "1-0", "JUSTID");
    const [found] = await piled();
    expect(found).toMatchObject({ severity: "warning", stream: key, group: "g" });
    expect(found?.["evidence"]).toBe("12 of 14 consumers hold nothing and were not heard of for 1ms");
    const [program, ...fix] = String(found?.["fix"]).split(" ");
    expect(program).toBe("streamctl");
    expect((await cli([...fix, "-y"])).code).toBe(0);
    expect(await piled()).toEqual([]);
    expect(await pendingRows(redis, key)).toHaveLength(2);
  });

  test("a few empty consumers, or some that were there today, are no finding", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    for (let n = 0; n < 12; n++) await redis.xclaim(key, "g", `pod-${n}`, 0, "1-0", "JUSTID");
    expect(aboutStreams((await doctor([key])).rows)).toEqual([]);
  });

  test("entries that are delivered again and again; its fix shows them", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 4);
    await age(redis, key, "2-0", { owner: "b", deliveries: 17 });
    await age(redis, key, "3-0", { owner: "a", deliveries: 6 });
    await age(redis, key, "4-0", { owner: "b", deliveries: 5 });
    const { code, rows } = await doctor([key]);
    expect(code).toBe(0);
    const [found] = aboutStreams(rows);
    expect(found).toMatchObject({ severity: "warning", check: "redelivered", stream: key, group: "g" });
    expect(found?.["evidence"]).toMatch(
      /^2 of 4 pending entries were delivered more than 5 times: .* 2-0 \(17 deliveries, now with b\)$/,
    );
    const line = String(found?.["fix"]).split(" shows them")[0] ?? "";
    const [program, ...fix] = line.split(" ");
    expect(program).toBe("streamctl");
    expect(ndjson((await cli(fix)).stdout).map(({ id }) => id)).toEqual(["2-0", "3-0"]);
  });

  test("the worst is said first", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    await redis.xgroup("CREATE", key, "forgotten", "0");
    await redis.xdel(key, "2-0");
    const { rows } = await doctor([key]);
    const order = ["error", "warning", "info"];
    const severities = rows.map(({ severity }) => order.indexOf(severity as string));
    expect(severities).toEqual(severities.toSorted((a, b) => a - b));
    expect(rows[0]).toMatchObject({ severity: "error", check: "missing-data" });
  });

  test("a group that nobody reads", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-0", "n", "1");
    await redis.xgroup("CREATE", key, "forgotten", "0");
    const { code, rows } = await doctor([key]);
    expect(code).toBe(0);
    const [found] = aboutStreams(rows);
    expect(found).toMatchObject({ severity: "warning", check: "unread-group", group: "forgotten" });
    expect(found?.["evidence"]).toContain("it has no consumers, and 1 entry waits for it");
    expect(found?.["fix"], "no advice to throw away what waits").not.toContain("destroy");
    expect(found?.["fix"]).toContain(`streamctl consume ${key} -g forgotten`);
  });

  test("dead letters: a warning, and an error while they are coming in", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-0", "n", "1");
    await redis.xadd(`${key}:dlq`, "1-0", "n", "1");
    const old = await doctor([key]);
    expect(old.code).toBe(0);
    expect(aboutStreams(old.rows)).toMatchObject([{ severity: "warning", check: "dead-letters" }]);
    await redis.xadd(`${key}:dlq`, "*", "n", "2");
    const fresh = await doctor([key]);
    expect(fresh.code).toBe(6);
    expect(aboutStreams(fresh.rows)).toMatchObject([
      { severity: "error", evidence: `2 dead letters in ${key}:dlq, 1 of them from the last hour` },
    ]);
    const both = await doctor([`${key}*`]);
    expect(aboutStreams(both.rows), "the queue has none of its own").toHaveLength(1);
  });

  test("an ID in the future", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, `${Date.now() + 86_400_000}-0`, "n", "1");
    const { rows } = await doctor([key]);
    const [found] = aboutStreams(rows);
    expect(found).toMatchObject({ severity: "warning", check: "future-id" });
    expect(found?.["evidence"]).toMatch(/in the future/);
  });

  test("a time to live", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-0", "n", "1");
    await redis.pexpire(key, 3_600_000);
    const [found] = aboutStreams((await doctor([key])).rows);
    expect(found).toMatchObject({ severity: "warning", check: "expiry", fix: `PERSIST ${key}` });
  });

  test("a long stream from which nothing was ever removed", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.eval("for i = 1, 100000 do redis.call('XADD', KEYS[1], '*', 'n', i) end", 1, key);
    const knows = ((await redis.xinfo("STREAM", key)) as unknown[]).includes("entries-added");
    const checks = aboutStreams((await doctor([key])).rows).map(({ check }) => check);
    expect(checks).toEqual(knows ? ["never-trimmed"] : []);
    await redis.xtrim(key, "MAXLEN", 99_999);
    expect(aboutStreams((await doctor([key])).rows)).toEqual([]);
    await redis.del(key);
  });

  test("a missing stream: exit 4; another type: one line", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    expect((await cli(["doctor", key])).code).toBe(4);
    await redis.set(key, "x");
    const { code, stderr } = await cli(["doctor", key]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${key} is a string, not a stream`);
  });

  test("on a terminal lines are broken between words and fit, as far as names let them", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const argv = ["doctor", key, "--dead-after", "0", "--no-color"];
    for (const columns of [60, 80, 120]) {
      const { stdout } = await cli(argv, { columns });
      expect(stdout).not.toMatch(/ $/m);
      for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(columns);
    }
    const { stdout } = await cli([...argv, "--wide"], { columns: 60 });
    expect(stdout).toContain(`--from-consumer a --to CONSUMER, or start a worker, which takes them over\n`);
  });

  test("on a terminal nothing is cut, and control characters are escaped", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const name = `evil\u001b[2J`;
    await redis.xclaim(key, "g", name, 0, "1-0", "JUSTID");
    const { stdout, stderr } = await cli(["doctor", key, "--dead-after", "0", "--no-color"], { columns: 40 });
    const words = stdout.replace(/\s+/g, " ");
    expect(words).toContain(`error dead-consumer ${key} g evil\\e[2J it holds 1 pending entry`);
    expect(words).toContain(`→ streamctl claim ${key} -g g --all --from-consumer`);
    expect(stdout).not.toContain("\u001b[2J");
    expect(stderr).toMatch(/^streamctl: 1 error, \d+ warnings?$/m);
  });
});

describe("rights", () => {
  const READER = "+ping +info +time +xinfo +xpending +xrange +xrevrange +xread +pttl +eval +evalsha";

  /** By command, the rights that are said to be missing. */
  function lacking(rows: readonly Row[]): Record<string, string> {
    const found = rows.filter(({ check }) => check === "rights");
    return Object.fromEntries(
      found.map(({ evidence }) => {
        const [, command = "", what = ""] = /rights for (.*?): (.*)$/.exec(String(evidence)) ?? [];
        return [command, what];
      }),
    );
  }

  test.each([
    ["a user who may not ask, by trying what can't do anything", READER],
    ["a user who may ask", `${READER} +acl`],
  ])("of %s", async (_, rules) => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const { user, url } = await userWith(redis, `~* ${rules}`.split(" "));
    const before = await redis.dumpBuffer(key);
    const { code, rows } = await doctor([key], { url });
    expect(code).toBe(0);
    const missing = lacking(rows);
    expect(missing).toMatchObject({
      produce: "XADD",
      claim: "XCLAIM, XACK",
      ack: "XACK",
      trim: "XTRIM",
      "consume --exec": "XREADGROUP, XACK, XCLAIM, XADD",
      ls: "SCAN, MEMORY USAGE",
    });
    expect(Object.keys(missing)).not.toContain("pending");
    expect(Object.keys(missing)).not.toContain("lag");
    const ack = rows.find(({ evidence }) => String(evidence).includes("for ack"));
    expect(ack?.["fix"]).toBe(`ACL SETUSER ${user} +xack`);
    expect((await redis.dumpBuffer(key))?.equals(before), "nothing was changed").toBe(true);
    expect(await redis.exists(`${key}:dlq`)).toBe(0);
  });

  test("a full user lacks nothing, and the look changes nothing", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const before = await redis.dumpBuffer(key);
    const { rows } = await doctor([key]);
    expect(lacking(rows)).toEqual({});
    expect((await redis.dumpBuffer(key))?.equals(before)).toBe(true);
    expect(await redis.exists(`${key}:dlq`)).toBe(0);
  });

  test("a key that is out of reach is told apart from a command", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 2);
    const { url } = await userWith(redis, `~${key} +@all`.split(" "));
    const { rows } = await doctor([key], { url });
    const missing = lacking(rows);
    expect(missing["consume --exec"]).toBe(`the key ${key}:dlq`);
    expect(missing["ack"]).toBeUndefined();
  });

  test("least rights: says what it could not see, and is no failure", async () => {
    const redis = rawRedis();
    const key = await pendingStream(redis, 1);
    const { url } = await userWith(redis, `~${key} +ping +xadd`.split(" "));
    const { code, rows } = await doctor([key], { url });
    expect(code).toBe(0);
    const unseen = rows.filter(({ check }) => check === "unseen").map(({ evidence }) => evidence);
    expect(unseen).toContain("can't look at the server: the user may not call INFO");
    expect(unseen.some((evidence) => String(evidence).startsWith("can't look at the stream"))).toBe(true);
    const { stderr } = await cli(["doctor"], { url });
    expect(stderr).toContain("may not list the streams (SCAN)");
  });
});

describe("planted in a server", () => {
  let server: SandboxServer;
  beforeAll(async () => {
    server = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--maxclients", "20"],
    });
  });
  afterAll(() => server.stop());

  test("no persistence, an eviction policy that drops streams, few clients", async () => {
    const redis = rawRedis(server.url);
    const crowd = Array.from({ length: 15 }, () => rawRedis(server.url));
    await Promise.all(crowd.map((client) => client.ping()));
    await redis.xadd("orders", "1-0", "n", "1");
    const { code, rows } = await doctor([], { url: server.url });
    expect(code).toBe(6);
    const found = rows.map(({ severity, check }) => `${severity as string} ${check as string}`);
    expect(found).toContain("warning persistence");
    expect(found).toContain("error eviction");
    expect(found.some((each) => each.endsWith(" clients"))).toBe(true);
  });

  test("a stream with a time to live under a volatile policy", async () => {
    const redis = rawRedis(server.url);
    await redis.config("SET", "maxmemory-policy", "volatile-ttl");
    await redis.xadd("sessions", "1-0", "n", "1");
    await redis.expire("sessions", 1_000);
    const { rows } = await doctor(["sessions"], { url: server.url });
    expect(aboutStreams(rows)).toMatchObject([
      { severity: "error", check: "eviction", fix: "PERSIST sessions" },
    ]);
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  });

  test("a replica", async () => {
    const replica = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--replicaof", "127.0.0.1", String(server.port)],
    });
    onTestFinished(() => replica.stop());
    const redis = rawRedis(replica.url);
    await until("it follows", async () =>
      (await redis.info("replication")).includes("master_link_status:up"),
    );
    const { rows } = await doctor([], { url: replica.url });
    const found = rows.filter(({ check }) => check === "replication");
    expect(found).toMatchObject([{ severity: "info", fix: "connect to the primary to change anything" }]);
  });
});
