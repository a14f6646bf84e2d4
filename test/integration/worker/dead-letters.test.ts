import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { type StreamKey, streamKey } from "../../../src/entry/names.ts";
import type { ServerError } from "../../../src/errors.ts";
import { moveToDeadLetters } from "../../../src/engine/worker/dead-letter.ts";
import { InFlight } from "../../../src/engine/worker/in-flight.ts";
import { now } from "../../../src/lib/instant.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import type { Owned } from "../../../src/redis/ops/owned.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { openConnection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";
import { settingsFor } from "../../support/roles.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { deadLetters } from "../../support/worker.ts";
import { entryId } from "../../support/ids.ts";

const VERDICT = { kind: "dead", reason: "exit 65", exit: "65", stderr: Buffer.from("no") } as const;
const FAILED_AT = new Date("2026-11-01T00:00:00.000Z");
const ID = "5000-70";
/** The size of a day in the score of what was made pending again. */
const DAY = 2 ** 37;

type Notes = readonly (readonly [score: number, member: string])[];

function revival(replays: number, deliveries: number, day = 20_000, group = "g"): Notes[number] {
  return [-(day * DAY + replays + deliveries * 1_024), `${ID} ${group}`];
}

interface LetterOptions {
  readonly notes?: Notes;
  readonly id?: string;
  readonly deliveries?: number;
  readonly fields?: readonly string[];
  readonly holders?: (stream: string) => string;
}

/** One entry that the group has been given and that failed; its verdict is not sent yet. */
async function failed(
  redis: Redis,
  stream: StreamKey,
  { notes = [], id = ID, deliveries = 2, fields = ["n", "1"], holders }: LetterOptions = {},
): Promise<(connection: Connection) => Promise<Owned>> {
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM").catch(() => {});
  await redis.xadd(stream, id, ...fields);
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
  for (const [score, member] of notes) await redis.zadd(`${stream}:replays`, score, member);
  const inFlight = new InFlight({ slots: 1, batch: { size: 1, waitMs: 0 } });
  const entry = { id: entryId(id), fields: fields.map((field) => Buffer.from(field)) };
  const delivery = inFlight.hold({ stream, entry, deliveries }, now(), performance.now());
  const settings = settingsFor(stream, { holders });
  return (connection) => moveToDeadLetters(streamsOf(connection), settings, delivery, VERDICT, FAILED_AT);
}

/** How often the records of a queue say that their entries were replayed, and delivered in all. */
async function counts(redis: Redis, dlq: string): Promise<(readonly [replays: string, total: string])[]> {
  const letters = await deadLetters(redis, dlq);
  return letters.map((letter) => [letter["dlq.replays"] ?? "", letter["dlq.deliveries-total"] ?? ""]);
}

const RUNS_OF_ONE_MS = Array.from(
  { length: 200 },
  (_, n) => [5_000, `5000-${n} 5000-${n} ${n + 1} ${n}`] as const,
);

describe.each([
  ["in one step", {}],
  [
    "asked first, of an entry too large for a script",
    { fields: Array.from({ length: 8_000 }, (_, n) => `${n}`) },
  ],
])("a dead letter says how often its entry was replayed, %s:", (_, more: LetterOptions) => {
  test.each<[string, Notes, [replays: string, total: string], LetterOptions?]>([
    ["never", [], ["0", "2"]],
    [
      "never, as others were",
      [
        [5_000, "5000-0 5000-69 3 9"],
        [4_999, "4999-0 4999-5 4 9"],
      ],
      ["0", "2"],
    ],
    ["as a new entry, first of a run", [[5_000, "5000-70 5000-99 1 5"]], ["1", "7"]],
    ["as a new entry, last of a run", [[4_000, "4000-5 5000-70 2 30"]], ["2", "32"]],
    [
      "as a new entry, by a run of an earlier ms",
      [
        [5_000, "5000-99 5000-99 4 4"],
        [4_000, "4000-0 5000-80 3 6"],
      ],
      ["3", "8"],
    ],
    ["as a new entry, by IDs that are compared as numbers", [[5_000, "5000-9 5000-700 1 5"]], ["1", "7"]],
    [
      "not by a run from two ms before the next",
      [
        [5_000, "5000-99 5000-99 4 4"],
        [4_000, "4000-0 4000-1 3 6"],
        [3_000, "3000-0 6000-0 9 9"],
      ],
      ["0", "2"],
    ],
    ["as a new entry, in one of 200 runs of a ms", RUNS_OF_ONE_MS, ["71", "72"]],
    ["never, after 200 runs of a ms", RUNS_OF_ONE_MS, ["0", "2"], { id: "5000-200" }],
    ["as a new entry, before deliveries were noted", [[5_000, "5000-0 5000-99 3"]], ["3", "2"]],
    ["by being made pending again", [revival(1, 2)], ["1", "4"]],
    ["by both: the later counts", [[5_000, "5000-0 5000-99 1 5"], revival(2, 9)], ["2", "11"]],
    ["for another group", [revival(1, 2, 20_000, "other")], ["0", "2"]],
    [
      "as often as can be noted: all 53 bits of the score",
      [revival(1_023, 2 ** 27 - 1, 2 ** 16 - 1)],
      ["1023", "134217729"],
    ],
    ["on the last day that can be noted", [revival(1, 1, 2 ** 16 - 1)], ["1", "3"]],
    ["on the first day", [revival(1_022, 2 ** 27 - 2, 0)], ["1022", "134217728"]],
    [
      "with more deliveries than 32 bits have",
      [[5_000, "5000-0 5000-99 1 4503599627370496"]],
      ["1", "4503599627370498"],
    ],
    ["never, and delivered very often", [], ["0", "4503599627370497"], { deliveries: 4_503_599_627_370_497 }],
    [
      "as the largest of all IDs",
      [[1.8446744073709552e19, "18446744073709551614-1 18446744073709551615-5 6 7"]],
      ["6", "9"],
      { id: "18446744073709551615-4" },
    ],
    [
      "beside what is no note",
      [
        [5_000, "mine"],
        [5_000, "5000-0 5000-99 1 5"],
      ],
      ["1", "7"],
    ],
  ])("%s", async (__, notes, expected, options = {}) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const move = await failed(redis, stream, { ...options, ...more, notes });
    expect(await move(await openConnection())).toBe("done");
    expect(await counts(redis, `${stream}:dlq`)).toEqual([expected]);
    expect(await redis.xpending(stream, "g", "-", "+", 1)).toEqual([]);
    expect(await redis.zcard(`${stream}:replays`)).toBe(notes.length);
  });

  test("with notes that hold something else, as if it never was", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.set(`${stream}:replays`, "mine");
    const move = await failed(redis, stream, more);
    expect(await move(await openConnection())).toBe("done");
    expect(await counts(redis, `${stream}:dlq`)).toEqual([["0", "2"]]);
    expect(await redis.get(`${stream}:replays`)).toBe("mine");
  });
});

test("a record is the original's fields and the facts in their order, also where it was replayed", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const fields = ["b", "1", "dlq.replays", "mine", "b", ""];
  const move = await failed(redis, stream, { fields, notes: [revival(3, 4)] });
  expect(await move(await openConnection())).toBe("done");
  const [[, record] = ["", []]] = await redis.xrange(`${stream}:dlq`, "-", "+");
  const facts = {
    stream,
    id: ID,
    group: "g",
    consumer: "c",
    deliveries: "2",
    reason: "exit 65",
    exit: "65",
    stderr: "no",
    "failed-at": FAILED_AT.toISOString(),
    replays: "3",
    "deliveries-total": "6",
  };
  expect(record).toEqual([
    ...fields,
    ...Object.entries(facts).flatMap(([name, value]) => [`dlq.${name}`, value]),
  ]);
});

test("an entry with as many values as a script can pass goes in one step, with what is noted of it", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const fields = Array.from({ length: 7_878 }, (_, n) => `${n}`);
  const move = await failed(redis, stream, { fields, notes: [revival(3, 4)] });
  expect(await move(await openConnection())).toBe("done");
  const [[, record] = ["", []]] = await redis.xrange(`${stream}:dlq`, "-", "+");
  expect(record).toHaveLength(7_900);
  expect(record.slice(-4)).toEqual(["dlq.replays", "3", "dlq.deliveries-total", "6"]);
});

/** A connection whose requests are seen, by the chunk. */
async function watched(url?: string): Promise<{ readonly connection: Connection; readonly sent: Buffer[] }> {
  const proxy = await Proxy.start(url);
  const { username, password } = new URL(url ?? proxy.url);
  const connection = await openConnection(proxy.url, username === "" ? {} : { username, password });
  const sent: Buffer[] = [];
  proxy.onRequest = (bytes) => sent.push(bytes);
  return { connection, sent };
}

function commands(sent: readonly Buffer[]): string[] {
  const text = Buffer.concat([...sent]).toString("latin1");
  return [...text.matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm)].map(([, name = ""]) => name.toUpperCase());
}

test("a dead letter takes one round trip, and those of one turn share it", async () => {
  const redis = rawRedis();
  const { connection, sent } = await watched();
  const stream = uniqueKey();
  // The server knows the script after that.
  await (
    await failed(redis, stream, { id: "5000-0" })
  )(connection);
  const notes: Notes = [[5_000, "5000-1 5000-99 1 5"]];
  const ids = ["5000-1", "5000-2", "5000-3"];
  const moves = await Promise.all(ids.map((id) => failed(redis, stream, { id, notes })));
  sent.length = 0;
  expect(await Promise.all(moves.map((move) => move(connection)))).toEqual(["done", "done", "done"]);
  expect(sent.map((chunk) => commands([chunk]))).toEqual([["EVALSHA", "EVALSHA", "EVALSHA"]]);
  expect(await counts(redis, `${stream}:dlq`)).toEqual([["0", "2"], ...ids.map(() => ["1", "7"])]);
});

test.each([
  ["without notes that may be read", false],
  ["with the notes", true],
])("a dead letter goes from the holders, %s", async (_, readable) => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const held = `${stream}:held:g`;
  const keys = [stream, `${stream}:dlq`, held, ...(readable ? [`${stream}:replays`] : [])];
  const rights = [
    ...(await workerRights(redis)),
    "+@hash",
    "+persist",
    "+time",
    "+zscore",
    "+zrevrangebyscore",
  ];
  const { url } = await userWith(redis, [...keys.map((key) => `~${key}`), ...rights]);
  const { connection } = await watched(url);
  const move = await failed(redis, stream, { notes: [revival(1, 2)], holders: () => held });
  await redis.hset(held, ID, "2 - c");
  expect(await move(connection)).toBe("done");
  // What is noted of it is for a worker whose reply was lost.
  expect((await redis.hkeys(held)).toSorted()).toEqual(["last", "take 1", "takes"]);
  expect(await redis.hget(held, "last")).toBe(ID);
  expect(await counts(redis, `${stream}:dlq`)).toEqual([readable ? ["1", "4"] : ["0", "2"]]);
});

describe("a user who may not", () => {
  const READING = ["+zscore", "+zrevrangebyscore"];

  /** Dead letters of a worker with a worker's rights, but for those. */
  async function letters(
    count: number,
    places: readonly string[],
    { more = [], without = [] }: { more?: readonly string[]; without?: readonly string[] },
  ): Promise<{
    readonly redis: Redis;
    readonly dlq: string;
    readonly outcomes: readonly string[];
    readonly sent: readonly (readonly string[])[];
    readonly bytes: readonly string[];
  }> {
    const redis = rawRedis();
    const stream = uniqueKey();
    const rights = [...(await workerRights(redis)), ...more].filter((right) => !without.includes(right));
    const { url } = await userWith(redis, [...places.map((place) => `~${stream}${place}`), ...rights]);
    const { connection, sent } = await watched(url);
    const notes: Notes = [[5_000, "5000-0 5000-99 1 5"]];
    // The server knows the script after that.
    const other = uniqueKey();
    await (
      await failed(redis, other)
    )(await openConnection());
    const outcomes: string[] = [];
    const each: Buffer[][] = [];
    for (let n = 0; n < count; n++) {
      const move = await failed(redis, stream, { id: `5000-${n}`, notes });
      outcomes.push(await move(connection).catch((error: unknown) => (error as ServerError).code));
      each.push(sent.splice(0));
    }
    return {
      redis,
      dlq: `${stream}:dlq`,
      outcomes,
      sent: each.map(commands),
      bytes: each.map((chunks) => Buffer.concat(chunks).toString("latin1")),
    };
  }

  test("touch the notes' key dead-letters, which is found out once", async () => {
    const { redis, dlq, outcomes, sent } = await letters(3, ["", ":dlq"], { more: READING });
    expect(outcomes).toEqual(["done", "done", "done"]);
    expect(sent).toEqual([["EVALSHA", "EVALSHA", "EVALSHA"], ["EVALSHA"], ["EVALSHA"]]);
    expect(await counts(redis, dlq)).toEqual(Array.from({ length: 3 }, () => ["0", "2"]));
  });

  test.each(READING)("send %s dead-letters, which is found out once", async (right) => {
    const places = ["", ":dlq", ":replays"];
    const { redis, dlq, outcomes, sent, bytes } = await letters(3, places, {
      more: READING,
      without: [right],
    });
    expect(outcomes).toEqual(["done", "done", "done"]);
    expect(sent).toEqual([["EVALSHA"], ["EVALSHA"], ["EVALSHA"]]);
    expect(bytes.map((text) => text.includes(":replays"))).toEqual([true, false, false]);
    expect(await counts(redis, dlq)).toEqual(Array.from({ length: 3 }, () => ["0", "2"]));
  });

  test.each([
    ["ack", ["", ":dlq", ":replays"], READING],
    ["ack, nor read the notes", ["", ":dlq", ":replays"], []],
    ["ack, nor touch the notes' key", ["", ":dlq"], []],
  ])("%s: is refused after one record, not after two", async (_, places, more) => {
    const { redis, dlq, outcomes } = await letters(1, places, { more, without: ["+xack"] });
    expect(outcomes).toEqual(["NOPERM"]);
    expect(await redis.xlen(dlq)).toBe(1);
  });
});

test("a slot that is half moved to another node, where the notes are or would be: dead letters go on", async () => {
  const cluster = await TestCluster.start(2);
  onTestFinished(() => cluster.stop());
  const connection = await openConnection(cluster.url, { mode: "cluster" });
  const stream = streamKey(`{${uniqueKey()}}`);
  const slot = keySlot(stream);
  const from = cluster.ownerOf(slot);
  const to = 1 - from;
  await cluster.on(from, async (redis) => {
    await (
      await failed(redis, stream, { id: "5000-0" })
    )(connection);
    const [never, revived] = [
      await failed(redis, stream, { id: "5000-1" }),
      await failed(redis, stream, { notes: [revival(1, 2)] }),
    ];
    const notes = `${stream}:replays`;
    const aside = await redis.dumpBuffer(notes);
    await redis.del(notes);
    await cluster.moveSlot(slot, from, to, async () => {
      expect(await never(connection)).toBe("done");
      await cluster.on(to, async (there) => {
        await there.asking();
        await there.restore(notes, 0, aside);
      });
      expect(await revived(connection)).toBe("done");
      expect(await counts(redis, `${stream}:dlq`)).toEqual([
        ["0", "2"],
        ["0", "2"],
        ["1", "4"],
      ]);
    });
  });
});
