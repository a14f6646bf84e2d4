import { createHash } from "node:crypto";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { Mover, type MoveRequest } from "../../../src/engine/dlq/mover.ts";
import { type StreamKey, groupName, streamKey } from "../../../src/entry/names.ts";
import type { Fate } from "../../../src/redis/ops/replay-fate.ts";
import { textFields } from "../../../src/entry/entry.ts";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { deadLetters, drain } from "../../support/worker.ts";
import { deadStream, fieldsIn, letterRecord, longQueue, numbersIn, upTo } from "./support.ts";
import { entryId } from "../../support/ids.ts";

const AWKWARD = [
  [
    Buffer.from("10"),
    Buffer.from([0xff, 0x00]),
    ...textFields([
      ["2", "x"],
      ["2", "y"],
    ]),
  ],
  textFields([
    ["__proto__", ""],
    ["", "no name"],
  ]),
  textFields([
    ["dlq.stream", "an original's own"],
    ["dlq.id", "7"],
  ]),
  [Buffer.from([0xfe]), Buffer.alloc(70_000, "x")],
];

/** Ways to the same end: the server sweeps, or letters are looked at one by one. */
const WAYS: [string, string[]][] = [
  ["--all", ["--all"]],
  ["by a filter", ["--reason", "~exit"]],
  ["with --layout", ["--all", "--layout", "native"]],
  ["with --rate", ["--all", "--rate", "100k/s"]],
  ["with --limit", ["--limit", "1000000"]],
];

function names(): { stream: StreamKey; dlq: string } {
  const stream = uniqueKey();
  return { stream, dlq: `${stream}:dlq` };
}

describe("dlq replay", () => {
  test.each(WAYS)(
    "%s: the fields are the original's, byte for byte, and the queue is empty",
    async (_, flags) => {
      const redis = rawRedis();
      const { stream, dlq } = await deadStream(
        redis,
        AWKWARD.map((fields) => ({ fields })),
      );
      const result = await cli(["dlq", "replay", stream, ...flags]);
      expect(result).toMatchObject({ code: 0, stdout: "" });
      expect(result.stderr).toContain(`replayed 4 entries to ${stream}`);
      expect(await fieldsIn(redis, stream)).toEqual(AWKWARD);
      expect(await redis.xlen(dlq)).toBe(0);
    },
  );

  test.each(WAYS)("%s: a long queue, each once and in its order", async (_, flags) => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 2_500, queue);
    expect((await cli(["dlq", "replay", queue.stream, ...flags])).code).toBe(0);
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(2_500));
    expect(await redis.xlen(queue.dlq)).toBe(0);
  });

  test("--to another stream, --limit and --max-replays", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{ replays: 3 }, { replays: 2 }, {}, {}]);
    const other = uniqueKey("other");
    const result = await cli(["dlq", "replay", stream, "--to", other, "--max-replays", "3", "--limit", "3"]);
    expect(result).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("1 left out: replayed too often"),
    });
    expect(await numbersIn(redis, other)).toEqual([1, 2]);
    expect(await redis.xlen(dlq)).toBe(2);
    expect(await redis.xlen(stream)).toBe(1);
    const all = await cli(["dlq", "replay", stream, "--to", other, "--all", "--max-replays", "3", "--json"]);
    expect(JSON.parse(all.stderr)).toMatchObject({ dlq, to: other, replayed: 1, tooOften: 1, doneBefore: 0 });
    expect(await numbersIn(redis, dlq)).toEqual([0]);
  });

  test.each([[1], [2], [7], [150]])(
    "a sweep leaves what is not to go, wherever it stands: every letter but each %dth",
    async (nth) => {
      const redis = rawRedis();
      const { stream, dlq } = names();
      const pipeline = redis.pipeline();
      for (let n = 0; n < 900; n++) {
        const spec = { replays: n % nth === nth - 1 ? 9 : 0 };
        pipeline.xadd(dlq, `${n + 1}-1`, ...letterRecord(stream, n, spec, new Date(0)));
      }
      await pipeline.exec();
      const { code, stderr } = await cli(["dlq", "replay", stream, "--all", "--max-replays", "5"]);
      expect(code).toBe(0);
      const stays = upTo(900).filter((n) => n % nth === nth - 1);
      expect(await numbersIn(redis, dlq)).toEqual(stays);
      expect(await numbersIn(redis, stream)).toEqual(upTo(900).filter((n) => n % nth !== nth - 1));
      expect(stderr).toContain(`${stays.length} left out: replayed too often`);
    },
  );

  test("the number of replays survives the trip through a worker, and --max-replays ends the loop", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (let n = 0; n < 3; n++) await redis.xadd(stream, "*", "n", String(n));
    const replays = async (): Promise<(string | undefined)[]> => {
      await drain(stream, "exit 65");
      return (await deadLetters(redis, `${stream}:dlq`)).map((letter) => letter["dlq.replays"]);
    };
    expect(await replays()).toEqual(["0", "0", "0"]);
    await cli(["dlq", "replay", stream, "--all"]);
    expect(await replays()).toEqual(["1", "1", "1"]);
    await cli(["dlq", "replay", stream, "--all", "--where", "n=1"]);
    expect((await replays()).toSorted((a, b) => Number(a) - Number(b))).toEqual(["1", "1", "2"]);
    const last = await cli(["dlq", "replay", stream, "--all", "--max-replays", "2"]);
    expect(last.stderr).toContain("replayed 2 entries");
    expect(last.stderr).toContain("1 left out: replayed too often");
    expect(await replays()).toEqual(["2", "2", "2"]);
    expect((await cli(["dlq", "replay", stream, "--all", "--max-replays", "2"])).stderr).toContain(
      "replayed 0",
    );
    const rows = ndjson((await cli(["dlq", "list", stream])).stdout);
    expect(rows.map((row) => row["replays"])).toEqual([2, 2, 2]);
  });

  test("--keep leaves the letters, and does not replay them again", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 250, queue);
    const keep = (): Promise<{ code: number; stderr: string }> =>
      cli(["dlq", "replay", queue.stream, "--all", "--keep"]);
    expect((await keep()).stderr).toContain(`replayed 250 entries to ${queue.stream}, kept in ${queue.dlq}`);
    expect((await keep()).stderr).toContain("replayed 0 entries");
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(250));
    expect(await redis.xlen(queue.dlq)).toBe(250);
    // A target that was deleted has lost what was replayed into it.
    await redis.del(queue.stream);
    await redis.xadd(`${queue.stream}:x`, "*", "a", "1");
    expect((await keep()).stderr).toContain("replayed 250 entries");
  });

  test("--keep does not double when this machine's clock is 40 days ahead, or behind", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 5, queue);
    onTestFinished(() => void vi.useRealTimers());
    const now = Date.now();
    for (const days of [0, 40, 0, -40, 0]) {
      vi.useFakeTimers({ toFake: ["Date"], now: now + days * 86_400_000 });
      expect((await cli(["dlq", "replay", queue.stream, "--all", "--keep"])).code).toBe(0);
    }
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(5));
  });

  test("what fails again while it is replayed is not replayed for ever", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 300, queue);
    const run = new CliRun(["dlq", "replay", queue.stream, "--all", "--rate", "600/s"]);
    await until("it replays", async () => (await redis.xlen(queue.stream)) > 50);
    await redis.xadd(queue.dlq, "*", "n", "1000");
    expect((await run.done).code).toBe(0);
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(300));
    expect(await numbersIn(redis, queue.dlq)).toEqual([1_000]);
  });

  test("a letter with more values than a script can pass, moved and kept", async () => {
    const redis = rawRedis();
    const large = Array.from({ length: 9_000 }, (_, n) => Buffer.from(`${n % 2 ? "value" : "name"}${n}`));
    const { stream, dlq } = await deadStream(redis, [{}, { fields: large, replays: 1 }, {}]);
    const kept = uniqueKey("kept");
    for (let run = 0; run < 2; run++)
      expect((await cli(["dlq", "replay", stream, "--all", "--keep", "--to", kept])).code).toBe(0);
    const smallThenLarge = [textFields([["n", "0"]]), large, textFields([["n", "2"]])];
    expect(await fieldsIn(redis, kept)).toEqual(smallThenLarge);
    expect((await cli(["dlq", "replay", stream, "--all", "--reason", "~exit"])).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual(smallThenLarge);
    expect(await redis.xlen(dlq)).toBe(0);
    await drain(stream, "exit 65");
    const again = ndjson((await cli(["dlq", "list", stream, "--oldest"])).stdout);
    expect(again.map((row) => row["replays"]).toSorted((a, b) => Number(a) - Number(b))).toEqual([
      0, 1, 1, 2,
    ]);
  });

  test("large values among small ones, moved and kept", async () => {
    const redis = rawRedis();
    const large = (byte: string): Buffer => Buffer.alloc(1_300_000, byte);
    const fields = [
      Buffer.from("a"),
      large("x"),
      Buffer.from("b"),
      Buffer.from("small"),
      large("n"),
      large("y"),
    ];
    const { stream } = await deadStream(redis, [{}, { fields }, {}]);
    const kept = uniqueKey("kept");
    // Compared byte by byte by vitest, they take half a minute.
    const hashes = (entries: Buffer[][]): string[][] =>
      entries.map((values) => values.map((value) => createHash("sha1").update(value).digest("hex")));
    const expected = hashes([textFields([["n", "0"]]), fields, textFields([["n", "2"]])]);
    expect((await cli(["dlq", "replay", stream, "--all", "--keep", "--to", kept])).code).toBe(0);
    expect(hashes(await fieldsIn(redis, kept))).toEqual(expected);
    const dry = await cli(["dlq", "replay", stream, "--all", "--dry-run"]);
    expect(dry.stderr).toContain("would replay 3 entries");
    expect((await cli(["dlq", "replay", stream, "--all", "--reason", "~exit"])).code).toBe(0);
    expect(hashes(await fieldsIn(redis, stream))).toEqual(expected);
  });

  test("--dry-run prints exactly the letters that would go, and changes nothing", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{ reason: "timeout 30s" }, {}, { replays: 9 }]);
    const flags = ["--reason", "~exit", "--max-replays", "5"];
    const dry = await cli(["dlq", "replay", stream, ...flags, "--dry-run"]);
    expect(dry.code).toBe(0);
    expect(dry.stderr).toContain("would replay 1 entry");
    expect(ndjson(dry.stdout).map((row) => row["originalId"])).toEqual(["2-0"]);
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([1, 3]);
    await cli(["dlq", "replay", stream, ...flags]);
    expect(await numbersIn(redis, stream)).toEqual([1]);
  });

  test("Ctrl-C stops between two entries, with a summary that adds up", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 1_000, queue);
    const run = new CliRun(["dlq", "replay", queue.stream, "--all", "--rate", "200/s"]);
    await until("it replays", async () => (await redis.xlen(queue.stream)) > 20);
    run.signal("SIGINT");
    const { code, stderr } = await run.done;
    expect(code).toBe(130);
    const moved = await redis.xlen(queue.stream);
    expect(stderr).toContain(`replayed ${moved} entries`);
    expect(moved + (await redis.xlen(queue.dlq))).toBe(1_000);
  });
});

/** Keys as they stand behind each other in a script's call. */
function asSent(...keys: string[]): string {
  return keys.map((key) => `$${key.length}\r\n${key}\r\n`).join("");
}

describe("dlq replay, whatever fails", () => {
  test.each(WAYS)("%s: a reply that is lost doubles nothing and loses nothing", async (_, flags) => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 1_000, queue);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(asSent(queue.dlq, queue.stream));
    const { code, stderr } = await cli(["dlq", "replay", queue.stream, ...flags], { url: proxy.url });
    await lost;
    expect(code).toBe(0);
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(1_000));
    expect(await redis.xlen(queue.dlq)).toBe(0);
    if (flags.length === 1) expect(stderr).toMatch(/replayed \d+ entries .*, and at most \d+ more/);
    else expect(stderr).toContain("replayed 1000 entries");
  });

  test("--keep: a reply that is lost doubles nothing", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 500, queue);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(asSent(queue.stream, `${queue.stream}:replayed`));
    expect((await cli(["dlq", "replay", queue.stream, "--all", "--keep"], { url: proxy.url })).code).toBe(0);
    await lost;
    expect((await numbersIn(redis, queue.stream)).toSorted((a, b) => a - b)).toEqual(upTo(500));
  });

  test("a server that does not come back: exit 7 and how to go on", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 1_000, queue);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo(asSent(queue.dlq, queue.stream));
    const limits = ["--connect-timeout", "3s"];
    const run = cli(["dlq", "replay", queue.stream, "--all", ...limits], { url: proxy.url });
    await lost;
    proxy.refuse();
    const { code, stderr } = await run;
    expect(code).toBe(7);
    expect(stderr).toContain("run it again: what has been replayed is not replayed twice");
    expect((await cli(["dlq", "replay", queue.stream, "--all"])).code).toBe(0);
    expect(await numbersIn(redis, queue.stream)).toEqual(upTo(1_000));
  });

  test.each([...WAYS, ["--keep", ["--all", "--keep"]] as [string, string[]]])(
    "%s: two replays of one queue at once add each entry once",
    async (_, flags) => {
      const redis = rawRedis();
      const queue = names();
      await longQueue(redis, 3_000, queue);
      const runs = await Promise.all(
        [1, 2].map(() => cli(["dlq", "replay", queue.stream, ...flags, "--json"])),
      );
      expect(runs.map(({ code }) => code)).toEqual([0, 0]);
      expect((await numbersIn(redis, queue.stream)).toSorted((a, b) => a - b)).toEqual(upTo(3_000));
      // One that comes when the other has done it all says first that there is nothing.
      const summaries = runs.map(({ stderr }) => stderr.trim().split("\n").at(-1) ?? "");
      const counts = summaries.map((line) => (JSON.parse(line) as { replayed: number }).replayed);
      expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(3_000);
    },
  );

  test("letters that went while their batch was on its way are not added, before and after one that is there", async () => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 6, queue);
    for (const gone of ["1-1", "3-1", "4-1"]) await redis.xdel(queue.dlq, gone);
    const connection = await openConnection();
    const request: MoveRequest = {
      dlq: streamKey(queue.dlq),
      target: streamKey(queue.stream),
      keep: false,
      reach: () => "own",
      onUncounted() {},
    };
    const replays = upTo(6).map((n) => ({
      id: entryId(`${n + 1}-1`),
      replays: 1,
      deliveries: 5,
      group: groupName("billing"),
      originalId: "" as const,
      fields: textFields([["n", `${n}`]]),
    }));
    const fates: Fate[] = [];
    await new Mover(connection, request).move(replays, fates);
    expect(fates).toEqual(["absent", "added", "absent", "absent", "added", "added"]);
    expect(await numbersIn(redis, queue.stream)).toEqual([1, 4, 5]);
    expect(await redis.xlen(queue.dlq)).toBe(0);
  });

  test.each(WAYS)("%s: a target that is no stream changes nothing", async (_, flags) => {
    const redis = rawRedis();
    const queue = names();
    await longQueue(redis, 10, queue);
    const list = uniqueKey("list");
    await redis.lpush(list, "x");
    const { code, stderr } = await cli(["dlq", "replay", queue.stream, ...flags, "--to", list]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${list} is a list, not a stream`);
    expect(await redis.xlen(queue.dlq)).toBe(10);
  });

  test("memory that has run out: nothing is moved, and it says so", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    try {
      const redis = rawRedis(server.url);
      const queue = names();
      await longQueue(redis, 10, queue);
      await redis.config("SET", "maxmemory", "1");
      const flags = ["--connect-timeout", "3s"];
      // At once: each tries for as long as connecting may take.
      const runs = [["--all"], ["--limit", "5"], ["--all", "--keep"]].map((more) =>
        cli(["dlq", "replay", queue.stream, ...more, ...flags], { url: server.url }),
      );
      for (const run of runs)
        expect(await run).toMatchObject({ code: 1, stderr: expect.stringContaining("out of memory") });
      expect([await redis.xlen(queue.dlq), await redis.exists(queue.stream)]).toEqual([10, 0]);
      redis.disconnect();
    } finally {
      await server.stop();
    }
  });

  test("what makes no sense is refused before anything is read", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const code = async (...args: string[]): Promise<number> => (await cli(["dlq", "replay", ...args])).code;
    expect(await code(stream)).toBe(2);
    expect(await code(stream, "soon")).toBe(2);
    expect(await code(stream, "1-1", "--all")).toBe(2);
    expect(await code(stream, "--all", "--to", dlq)).toBe(2);
    expect(await code(`${stream}:nowhere`, "--all")).toBe(4);
    expect(await redis.xlen(dlq)).toBe(1);
  });
});
