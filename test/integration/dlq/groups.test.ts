import { describe, expect, test } from "vitest";
import { type StreamKey, groupName, streamKey } from "../../../src/entry/names.ts";
import { cli, CliRun, uniqueKey } from "../../support/cli.ts";
import { keyboard, press } from "../../support/keyboard.ts";
import { pendingRows } from "../../support/pending.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith } from "../../support/users.ts";
import { deadLetters, drain, workerArgv } from "../../support/worker.ts";
import { letterRecord, type LetterSpec, numbersIn, type Raw } from "./support.ts";

const REPLAYER = "streamctl-replay";

/** Ways to the same end: the server sweeps, or letters are looked at one by one. */
const WAYS: [string, string[]][] = [
  ["sweeping", ["--all"]],
  ["letter by letter", ["--reason", "exit 1"]],
  ["kept", ["--all", "--keep"]],
];

/**
 * A stream with entries `1-0` to `n-0`, n = 0 …, which group g has been given and has lost to its queue, and other
 * groups that have read all of it.
 */
async function lostStream(
  redis: Raw,
  count: number,
  options: { readonly others?: readonly string[]; readonly specs?: readonly LetterSpec[] } = {},
): Promise<{ stream: StreamKey; dlq: string }> {
  const stream = uniqueKey();
  const dlq = `${stream}:dlq`;
  for (let n = 0; n < count; n++) {
    await redis.xadd(stream, `${n + 1}-0`, "n", String(n));
    const spec = { group: groupName("g"), ...options.specs?.[n] };
    await redis.xadd(dlq, `${n + 1}-1`, ...letterRecord(stream, n, spec, new Date()));
  }
  for (const group of ["g", ...(options.others ?? [])]) await redis.xgroup("CREATE", stream, group, "$");
  return { stream, dlq };
}

/** What each group would be given. */
async function undelivered(redis: Raw, stream: string, group: string): Promise<string[]> {
  const reply = (await redis.xreadgroup("GROUP", group, "probe", "STREAMS", stream, ">")) as
    | [string, [string, string[]][]][]
    | null;
  return reply?.[0]?.[1].map(([id]) => id) ?? [];
}

const replay = (stream: string, ...flags: string[]): ReturnType<typeof cli> =>
  cli(["dlq", "replay", stream, ...flags]);

describe("dlq replay on a stream with several groups", () => {
  test.each(WAYS)("%s: other groups do not see what one group gets back", async (way, flags) => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 30, { others: ["audit", "mail"] });
    const { code, stderr } = await replay(stream, ...flags);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining(`replayed 30 entries to ${stream}, pending again for their group`),
    });
    expect(await redis.xlen(stream)).toBe(30);
    expect(await redis.xlen(dlq)).toBe(way === "kept" ? 30 : 0);
    const ids = Array.from({ length: 30 }, (_, n) => `${n + 1}-0`);
    expect(await pendingRows(redis, stream)).toEqual(ids.map((id) => [id, REPLAYER, 0]));
    for (const group of ["audit", "mail", "g"]) expect(await undelivered(redis, stream, group)).toEqual([]);
    // A second time there is nothing to do, and nothing is done.
    expect((await replay(stream, ...flags)).stderr).toContain("replayed 0 entries");
    expect(await pendingRows(redis, stream)).toHaveLength(30);
  });

  test("a worker takes it at once whatever its --claim-idle, with all its tries, and counts go on", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xgroup("CREATE", stream, "audit", "0", "MKSTREAM");
    const id = (await redis.xadd(stream, "*", "n", "7")) as string;
    const letters = (): ReturnType<typeof deadLetters> => deadLetters(redis, `${stream}:dlq`);
    const failing = ["--max-deliveries", "2"];
    await drain(stream, "exit 1", failing);
    expect(await letters()).toMatchObject([
      { "dlq.id": id, "dlq.deliveries": "2", "dlq.replays": "0", "dlq.deliveries-total": "2" },
    ]);
    for (const [replays, total] of [
      ["1", "4"],
      ["2", "6"],
    ]) {
      expect((await replay(stream, "--all")).code).toBe(0);
      await drain(stream, "exit 1", failing);
      const found = { "dlq.id": id, "dlq.replays": replays, "dlq.deliveries-total": total };
      expect(await letters()).toMatchObject([{ ...found, "dlq.deliveries": "2" }]);
    }
    expect((await replay(stream, "--all", "--max-replays", "2")).stderr).toContain(
      "1 left out: replayed too often",
    );
    expect((await replay(stream, "--all")).code).toBe(0);
    const argv = workerArgv(stream, "echo $STREAMCTL_ID $STREAMCTL_DELIVERIES", "--until-empty");
    argv[argv.indexOf("--claim-idle") + 1] = "90d";
    expect((await cli(argv)).stdout).toBe(`${id} 1\n`);
    expect(await undelivered(redis, stream, "audit")).toEqual([id]);
  });

  test.each<[string, string[]]>([
    ["--order-by", ["--order-by", "n"]],
    ["--batch", ["--batch", "3"]],
    ["--persistent", ["--persistent"]],
  ])("a worker with %s takes what came back, each once, as its first delivery", async (_, flags) => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 5, { others: ["audit"] });
    expect((await replay(stream, "--all")).code).toBe(0);
    const persistent = flags.includes("--persistent");
    const command = persistent
      ? 'while read -r line; do echo "$line" >&2; echo ok; done'
      : flags.includes("--batch")
        ? "cat >&2"
        : 'cat >&2; test "$STREAMCTL_DELIVERIES" = 1';
    const { code, stderr } = await drain(stream, command, [...flags, "--claim-idle", "10m"]);
    expect(code, stderr).toBe(0);
    const seen = [...stderr.matchAll(/"id":"(\d+-0)".*?"deliveries":(\d+)/g)].map(([, id, count]) => [
      id,
      count,
    ]);
    expect(seen.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))).toEqual(
      ["1", "2", "3", "4", "5"].map((n) => [`${n}-0`, "1"]),
    );
    expect(await pendingRows(redis, stream)).toEqual([]);
    expect(await redis.xlen(dlq)).toBe(0);
  });

  test("replays of one group are not counted for another", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "n", "1");
    const fail = (group: string): ReturnType<typeof cli> =>
      cli(["consume", stream, "-g", group, "--create-group", "--until-empty", "--exec", "exit 65"]);
    await fail("g");
    await replay(stream, "--all");
    await fail("g");
    await fail("audit");
    const letters = await deadLetters(redis, `${stream}:dlq`);
    expect(letters.map((letter) => [letter["dlq.group"], letter["dlq.replays"]])).toEqual([
      ["g", "1"],
      ["audit", "0"],
    ]);
  });

  test.each(WAYS)(
    "%s: what the group has not come to, or has pending, is not given to it twice",
    async (_, flags) => {
      const redis = rawRedis();
      const { stream } = await lostStream(redis, 3, { others: ["audit"] });
      await redis.xgroup("SETID", stream, "g", "2-0");
      await redis.xclaim(stream, "g", "worker", 0, "1-0", "FORCE", "JUSTID");
      const { code, stderr } = await replay(stream, ...flags);
      expect(code).toBe(0);
      expect(stderr).toContain("2 waiting there for their group before");
      expect((await pendingRows(redis, stream)).map(([id, owner]) => [id, owner])).toEqual([
        ["1-0", "worker"],
        ["2-0", REPLAYER],
      ]);
      expect(await undelivered(redis, stream, "g")).toEqual(["3-0"]);
    },
  );

  test.each(WAYS)(
    "%s: originals that are gone, changed or another's: refused, nothing done",
    async (_, flags) => {
      const redis = rawRedis();
      const specs: LetterSpec[] = [{}, {}, { group: groupName("gone") }, { stream: streamKey("elsewhere") }];
      const { stream, dlq } = await lostStream(redis, 4, { others: ["audit", "mail"], specs });
      await redis.xdel(stream, "1-0");
      // The same ID with other fields, as after the stream was made anew.
      const entries = await redis.xrange(stream, "-", "+");
      await redis.del(stream);
      await redis.xadd(stream, "2-0", "n", "something else");
      for (const [id, fields] of entries.slice(1)) await redis.xadd(stream, id, ...fields);
      for (const group of ["g", "audit", "mail"]) await redis.xgroup("CREATE", stream, group, "$");
      const { code, stderr } = await replay(stream, ...flags);
      expect(code).toBe(2);
      expect(stderr).toContain(`4 of the originals can only be added to ${stream} anew, and`);
      expect(stderr).toContain("audit, g, mail would get them, too: they stay in the queue; --all-groups");
      expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([3, 4]);
      const dry = await replay(stream, ...flags, "--dry-run");
      expect(dry.stderr).toContain("would replay 0 entries");
      expect(dry.stderr).toContain("4 left: other groups would get them, too");
      for (const agreement of ["--all-groups", "-y"]) {
        expect(
          (await replay(stream, "--limit", "2", ...flags.filter((flag) => flag !== "--all"), agreement)).code,
        ).toBe(0);
        if (flags.includes("--keep")) break;
      }
      const added = flags.includes("--keep") ? 2 : 4;
      expect(await undelivered(redis, stream, "audit")).toHaveLength(added);
      expect((await numbersIn(redis, stream)).slice(-added)).toEqual([0, 1, 2, 3].slice(0, added));
    },
  );

  test.each(WAYS)("%s: what can go back goes, the rest stays: exit 5", async (way, flags) => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 20, { others: ["audit"] });
    for (const id of ["3-0", "4-0", "17-0"]) await redis.xdel(stream, id);
    const { code, stderr } = await replay(stream, ...flags);
    expect(code).toBe(5);
    expect(stderr).toContain("replayed 17 entries");
    expect(stderr).toContain("3 of the originals can only be added");
    if (way !== "kept") expect(await numbersIn(redis, dlq)).toEqual([2, 3, 16]);
    expect(await pendingRows(redis, stream)).toHaveLength(17);
    const json = await replay(stream, ...flags, "--all-groups", "--json");
    expect(JSON.parse(json.stderr)).toMatchObject({ replayed: 3, revived: 0, held: 0 });
    expect(await undelivered(redis, stream, "audit")).toHaveLength(3);
  });

  test("the only group of a stream gets what is gone without a question", async () => {
    const redis = rawRedis();
    const { stream } = await lostStream(redis, 2);
    await redis.xdel(stream, "1-0");
    const { code, stderr } = await replay(stream, "--all");
    expect(code).toBe(0);
    expect(stderr).toContain("replayed 2 entries");
    expect(stderr).toContain("1 of them pending again");
    expect(await undelivered(redis, stream, "g")).toHaveLength(1);
  });

  test("--to adds to another stream as it is, for all its groups", async () => {
    const redis = rawRedis();
    const { stream } = await lostStream(redis, 2, { others: ["audit"] });
    const other = uniqueKey("other");
    for (const group of ["a", "b"]) await redis.xgroup("CREATE", other, group, "0", "MKSTREAM");
    expect((await replay(stream, "--all", "--to", other)).code).toBe(0);
    expect(await numbersIn(redis, other)).toEqual([0, 1]);
    expect(await pendingRows(redis, stream)).toEqual([]);
  });

  test("--all-groups, which would do nothing with --to, is refused", async () => {
    const argv = ["dlq", "replay", uniqueKey(), "--all", "--to", uniqueKey()];
    const { code, stderr } = await cli([...argv, "--all-groups"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--all-groups does nothing with --to");
    // A default that does nothing here is no error.
    const { stderr: byDefault } = await cli([...argv, "-y"], { env: { STREAMCTL_ALL_GROUPS: "true" } });
    expect(byDefault).toContain("no such stream");
  });

  test("a large entry that still stands is made pending again", async () => {
    const redis = rawRedis();
    const fields = Array.from({ length: 9_000 }, (_, n) => Buffer.from(`${n % 2 ? "value" : "name"}${n}`));
    const { stream, dlq } = await lostStream(redis, 1, { others: ["audit"], specs: [{ fields }] });
    await redis.del(stream);
    await redis.xadd(stream, "1-0", ...fields);
    for (const group of ["g", "audit"]) await redis.xgroup("CREATE", stream, group, "$");
    expect((await replay(stream, "--all")).code).toBe(0);
    expect(await pendingRows(redis, stream)).toEqual([["1-0", REPLAYER, 0]]);
    expect(await redis.xlen(dlq)).toBe(0);
  });

  test.each(WAYS)("%s: a lost reply and two runs at once give each back once", async (way, flags) => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 700, { others: ["audit"] });
    const proxy = await Proxy.start();
    const keys = way === "kept" ? [stream, `${stream}:replayed`] : [dlq, stream];
    const lost = proxy.loseReplyTo(keys.map((key) => `$${key.length}\r\n${key}\r\n`).join(""));
    const argv = ["dlq", "replay", stream, ...flags];
    const runs = [cli(argv, { url: proxy.url })];
    await lost;
    runs.push(cli(argv));
    // A worker that settles what comes back, while it still comes.
    const taken: string[] = [];
    const take = async (): Promise<void> => {
      const reply = (await redis.call("XREADGROUP", "GROUP", "g", "x", "STREAMS", stream, ">")) as null;
      expect(reply).toBeNull();
      const rows = await pendingRows(redis, stream);
      for (const [id] of rows) if ((await redis.xack(stream, "g", id)) === 1) taken.push(id);
    };
    await until("all came back", async () => {
      await take();
      return taken.length >= 700;
    });
    for (const { code } of await Promise.all(runs)) expect(code).toBe(0);
    await take();
    expect(taken).toHaveLength(700);
    expect(await redis.xlen(stream)).toBe(700);
  });

  test("who may not claim replays nothing: half a step would lose the letter", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 3, { others: ["audit"] });
    const rights = ["+xrange", "+xpending", "+xinfo", "+eval", "+evalsha", "+ping", "+xadd", "+xdel"];
    const { url } = await userWith(redis, [`~${stream}*`, ...rights]);
    for (const flags of [["--all"], ["--reason", "exit 1"]]) {
      const { code, stderr } = await cli(["dlq", "replay", stream, ...flags], { url });
      expect(code).toBe(1);
      expect(stderr).toContain(`no permission for XCLAIM on ${stream}`);
    }
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([3, 3]);
  });
});

describe("dlq replay asks on a terminal", () => {
  test.each([
    ["y", 0, 3],
    ["n", 5, 2],
  ])("what other groups would get, naming them: %s", async (answer, code, replayed) => {
    const redis = rawRedis();
    const { stream } = await lostStream(redis, 3, { others: ["audit", "mail"] });
    await redis.xdel(stream, "2-0");
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream, "1-1", "2-1", "3-1"], { stdin, columns: 200 });
    await until("it asks", () => run.stderr.includes("Add them?"));
    expect(run.stderr).toContain(
      `1 of the originals can only be added to ${stream} anew, and audit, mail would get them, too`,
    );
    await press(stdin, answer, "\r");
    const result = await run.done;
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(`replayed ${replayed} entries`);
    expect(await undelivered(redis, stream, "mail")).toHaveLength(replayed - 2);
  });

  test("Ctrl-C at that question: what was replayed before is told, and the run ends with 130", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 3, { others: ["audit"] });
    await redis.xdel(stream, "2-0");
    const stdin = keyboard();
    const run = new CliRun(["dlq", "replay", stream, "1-1", "2-1", "3-1"], { stdin, columns: 200 });
    await until("it asks", () => run.stderr.includes("Add them?"));
    await press(stdin, "\u0003");
    const { code, stderr } = await run.done;
    expect(code).toBe(130);
    expect(stderr).toContain("replayed 2 entries");
    expect(await redis.xlen(dlq)).toBe(1);
  });

  test.each([
    ["y", 0, 0],
    ["n", 2, 2],
  ])("--all and filters, as purge does: %s", async (answer, code, left) => {
    const redis = rawRedis();
    const { stream, dlq } = await lostStream(redis, 2);
    for (const flags of [["--all"], ["--reason", "exit 1"]]) {
      const stdin = keyboard();
      const run = new CliRun(["dlq", "replay", stream, ...flags], { stdin, columns: 200 });
      await until("it asks", () => run.stderr.includes("?"));
      expect(run.stderr).toContain(`Replay 2 dead letters of ${dlq} to ${stream}?`);
      await press(stdin, answer, "\r");
      expect((await run.done).code).toBe(code);
      expect(await redis.xlen(dlq)).toBe(left);
      if (answer === "y") break;
    }
  });
});
