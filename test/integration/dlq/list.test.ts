import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadStream, letterRecord, type LetterSpec } from "./support.ts";

const HOUR = 3_600_000;

async function originals(args: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await cli(["dlq", "list", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return ndjson(stdout).map((row) => row["originalId"]);
}

describe("dlq list", () => {
  test("gives every fact and the original's fields, newest first", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      {},
      {
        reason: "timeout 30s",
        replays: 2,
        deliveriesTotal: 15,
        fields: [Buffer.from("10"), Buffer.from([0xff]), ...textFields([["2", "x"]])],
      },
    ]);
    const { stdout } = await cli(["dlq", "list", stream]);
    const [newest, oldest] = ndjson(stdout);
    expect(newest).toEqual({
      stream,
      dlq,
      id: expect.stringMatching(/^\d+-1$/),
      originalId: "2-0",
      group: "billing",
      consumer: "host-1",
      deliveries: 5,
      reason: "timeout 30s",
      failedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      replays: 2,
      deliveriesTotal: 15,
      layout: "native",
      fields: { "10": { base64: "/w==" }, "2": "x" },
    });
    expect(stdout).toContain('"fields":{"10":{"base64":"/w=="},"2":"x"}}');
    expect(oldest).toMatchObject({ originalId: "1-0", fields: { n: "0" } });
    expect(await originals([stream, "--oldest"])).toEqual(["1-0", "2-0"]);
  });

  test("every letter of a long queue, once, from either end", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const pipeline = redis.pipeline();
    for (let n = 1; n <= 2_500; n++) pipeline.xadd(`${stream}:dlq`, `${n}-0`, "n", String(n));
    await pipeline.exec();
    const up = ndjson((await cli(["dlq", "list", stream, "--oldest"])).stdout).map((row) => row["id"]);
    expect(up).toEqual(Array.from({ length: 2_500 }, (_, n) => `${n + 1}-0`));
    const down = ndjson((await cli(["dlq", "list", stream])).stdout).map((row) => row["id"]);
    expect(down).toEqual(up.toReversed());
  });

  test("filters", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [
      { reason: "exit 1" },
      { reason: "timeout 30s", group: groupName("mail") },
      { reason: "signal KILL", deliveries: 2, fields: textFields([["region", "eu"]]) },
      { reason: "exit 11", fields: textFields([["region", "us"]]) },
    ]);
    const list = (...flags: string[]): Promise<unknown[]> => originals([stream, "--oldest", ...flags]);
    expect(await list("--reason", "exit 1"), "the whole reason, not exit 11").toEqual(["1-0"]);
    expect(await list("--reason", "exit")).toEqual([]);
    expect(await list("--reason", "~exit 1")).toEqual(["1-0", "4-0"]);
    expect(await list("--reason", "~^exit 1$")).toEqual(["1-0"]);
    expect(await list("--reason", "~(?i)TIMEOUT|kill")).toEqual(["2-0", "3-0"]);
    expect(await list("-g", "mail")).toEqual(["2-0"]);
    expect(await list("--min-deliveries", "5")).toEqual(["1-0", "2-0", "4-0"]);
    expect(await list("--where", "region~^(eu|us)$", "--where", "region!=eu")).toEqual(["4-0"]);
    expect(await list("--since", "90m")).toEqual(["3-0", "4-0"]);
    expect(await list("--until", "90m")).toEqual(["1-0", "2-0"]);
    expect(await list("--limit", "3", "--reason", "~exit")).toEqual(["1-0", "4-0"]);
    expect(await originals([stream, "--limit", "1"])).toEqual(["4-0"]);
  });

  test("--reason also means the last line of stderr", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [
      { stderr: Buffer.from("starting\nno such customer\n\n") },
      { stderr: Buffer.from("no such customer\ngiving up\n") },
      { stderr: Buffer.alloc(0) },
    ]);
    const list = (...flags: string[]): Promise<unknown[]> => originals([stream, "--oldest", ...flags]);
    expect(await list("--reason", "no such customer")).toEqual(["1-0"]);
    expect(await list("--reason", "~such|up$")).toEqual(["1-0", "2-0"]);
  });

  test("--since and --until mean the failure, whatever IDs the letters have in the queue", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR);
    // Dead-lettered late, put back from an archive, and by a worker whose clock is ahead.
    const letters: [string, Date][] = [
      ["1-1", ago(3)],
      ["2-1", ago(1)],
      [`${Date.now() - 2 * HOUR}-1`, ago(-48)],
      [`${Date.now()}-1`, ago(5)],
    ];
    for (const [n, [id, failedAt]] of letters.entries())
      await redis.xadd(`${stream}:dlq`, id, ...letterRecord(stream, n, {}, failedAt));
    const list = (...flags: string[]): Promise<unknown[]> => originals([stream, "--oldest", ...flags]);
    expect(await list("--since", "2h")).toEqual(["2-0", "3-0"]);
    expect(await list("--until", "2h")).toEqual(["1-0", "4-0"]);
    expect(await list("--since", ago(4).toISOString(), "--until", ago(2).toISOString())).toEqual(["1-0"]);
    expect(await list("--until", "2-1"), "an ID is a place in the queue").toEqual(["1-0", "2-0"]);
    const purged = await cli(["dlq", "purge", stream, "--until", "4h", "-y"]);
    expect(purged.stderr).toContain("deleted 1 ");
  });

  test("filters that let nothing through say so, and of how many", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}]);
    const told = async (...argv: string[]): Promise<string> =>
      (await cli(["dlq", ...argv, "--reason", "nothing"], { columns: 200 })).stderr;
    const text = `none of 2 dead letters in ${dlq} fits`;
    expect(await told("list", stream)).toContain(text);
    expect(await told("list", stream, "--by", "group")).toContain(text);
    expect(await told("replay", stream)).toContain(text);
    expect(await told("replay", stream, "--dry-run")).toContain(text);
    expect(await told("purge", stream, "-y")).toContain(text);
    expect(await told("purge", stream, "--dry-run")).toContain(text);
  });

  test("counts by stderr and by a field of the originals", async () => {
    const redis = rawRedis();
    const customer = (name: Buffer): LetterSpec => ({ fields: [Buffer.from("customer"), name] });
    const { stream } = await deadStream(redis, [
      customer(Buffer.from("acme")),
      { ...customer(Buffer.from("acme")), stderr: Buffer.from("a\ndown\n") },
      customer(Buffer.from([0xff])),
      {},
    ]);
    const by = async (key: string): Promise<unknown[]> =>
      ndjson((await cli(["dlq", "list", stream, "--by", key])).stdout).map((row) => [
        row["key"],
        row["count"],
      ]);
    expect(await by("customer")).toEqual([
      ["acme", 2],
      [null, 1],
      [{ base64: "/w==" }, 1],
    ]);
    expect(await by("stderr")).toEqual([
      ["boom", 3],
      ["down", 1],
    ]);
    expect(await by("n")).toContainEqual(["3", 1]);
  });

  test("counts by reason and by hour, the most first", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [{}, { reason: "timeout 30s" }, {}]);
    const reasons = ndjson((await cli(["dlq", "list", stream, "--by", "reason"])).stdout);
    expect(reasons).toMatchObject([
      { key: "exit 1", count: 2 },
      { key: "timeout 30s", count: 1 },
    ]);
    expect(Object.keys(reasons[0] ?? {})).toEqual(["key", "count", "oldest", "newest"]);
    const { oldest, newest } = reasons[0] as { oldest: string; newest: string };
    expect(Date.parse(newest) - Date.parse(oldest)).toBe(2 * HOUR);
    const hours = ndjson((await cli(["dlq", "list", stream, "--by", "hour"])).stdout);
    expect(hours.map((row) => row["count"])).toEqual([1, 1, 1]);
    expect(String(hours[0]?.["key"])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00Z$/);
  });

  test("--fail-if-any: exit 6 when the filters leave any, 0 when none", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [{}]);
    expect((await cli(["dlq", "list", stream, "--fail-if-any"])).code).toBe(6);
    expect((await cli(["dlq", "list", stream, "--fail-if-any", "--by", "group"])).code).toBe(6);
    expect((await cli(["dlq", "list", stream, "--fail-if-any", "-g", "mail"])).code).toBe(0);
  });

  test("entries that something else copied there are shown as they are", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    await redis.xadd(dlq, "5-0", "orderId", "42", "error", "no stock");
    expect(ndjson((await cli(["dlq", "list", stream])).stdout)).toEqual([
      {
        stream,
        dlq,
        id: "5-0",
        originalId: null,
        group: null,
        consumer: null,
        deliveries: null,
        reason: null,
        failedAt: null,
        replays: 0,
        deliveriesTotal: null,
        layout: "copied",
        fields: { orderId: "42", error: "no stock" },
      },
    ]);
    expect(await originals([stream, "--reason", "exit"])).toEqual([]);
  });

  test("--dlq names another queue, and only this stream's letters in it are shown", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, { stream: streamKey("somebody-else") }]);
    const queue = uniqueKey("all-dead");
    await redis.rename(dlq, queue);
    expect(await originals([stream, "--dlq", queue])).toEqual(["1-0"]);
  });

  test("a stream without dead letters is fine, one that is not there is not", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, []);
    expect(await cli(["dlq", "list", stream, "--fail-if-any"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(await cli(["dlq", "list", stream, "--json"])).toMatchObject({ stdout: "[]\n" });
    const terminal = await cli(["dlq", "list", stream], { columns: 80 });
    expect([terminal.stdout, terminal.stderr]).toEqual(["", `streamctl: no dead letters in ${stream}:dlq\n`]);
    const missing = await cli(["dlq", "list", `${stream}:nowhere`]);
    expect(missing.code).toBe(4);
    expect(missing.stderr).toContain(`no such stream: ${stream}:nowhere`);
  });

  test("whoever names the queue instead of the stream is told", async () => {
    const redis = rawRedis();
    const { dlq } = await deadStream(redis, [{}]);
    const { code, stderr } = await cli(["dlq", "list", dlq]);
    expect(code).toBe(0);
    expect(stderr).toContain(`name its source stream, or pass --dlq ${dlq}`);
  });

  test("a queue of another type, and flags that can't be read", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    await redis.lpush(dlq, "x");
    const wrong = await cli(["dlq", "list", stream]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(`${dlq} is a list, not a stream`);
    for (const flags of [
      ["--reason", "~("],
      ["--since", "soon"],
      ["--where", "x~("],
    ])
      expect((await cli(["dlq", "list", stream, ...flags])).code).toBe(2);
    expect((await cli(["dlq"])).code).toBe(2);
  });

  test("a table never cuts the IDs that people need for dlq show", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, []);
    const id = "1694012345678-1000000";
    const fields = textFields([["note", "long ".repeat(100)]]);
    await redis.xadd(
      dlq,
      id,
      ...letterRecord(stream, 0, { fields, reason: "exit 1 ".repeat(9) }, new Date(0)),
    );
    for (const columns of [80, 100, 140]) {
      const { stdout } = await cli(["dlq", "list", stream], { columns, env: { NO_COLOR: "1" } });
      expect(stdout.split("\n")[1]).toContain(`${id} `);
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
  });

  test("a table for people: escaped, within the terminal", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [
      {
        reason: "exit 1\u001b[31m",
        fields: textFields([["note", `\u001b]0;x\u0007${"long ".repeat(100)}`]]),
      },
    ]);
    for (const columns of [80, 120]) {
      const { stdout } = await cli(["dlq", "list", stream], { columns, env: { NO_COLOR: "1" } });
      const lines = stdout.trimEnd().split("\n");
      expect(lines).toHaveLength(2);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(stdout).toContain("exit 1\\e[31m");
      expect(stdout).not.toContain("\u001b");
      expect(stdout).toContain("ago");
    }
  });
});
