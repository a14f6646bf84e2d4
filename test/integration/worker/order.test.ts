import { mkdir, readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { OrderBy, type OrderByParts } from "../../../src/engine/worker/order-by.ts";
import { type StreamKey, groupName } from "../../../src/entry/names.ts";
import type { Member } from "../../../src/redis/ops/member.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import { streamsOf } from "../../../src/redis/ops/streams.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, drain, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";
import { entryId } from "../../support/ids.ts";

/**
 * A handler that finds out when two entries of a key run at once, and writes what it ran: one line per run,
 * `n` and how it ended. It fails every entry's first delivery whose number divides by `failEvery`.
 */
function checker(dir: string, failEvery: number, pause = "0.01"): string {
  return [
    `mkdir "${dir}/busy-$FIELD_KEY" || { echo "$FIELD_N" >> ${dir}/violations; exit 0; }`,
    `sleep ${pause}`,
    `code=0; test $((FIELD_N % ${failEvery})) = 0 && test "$STREAMCTL_DELIVERIES" = 1 && code=1`,
    `echo "$FIELD_N $code" >> "${dir}/runs-$FIELD_KEY"`,
    `rmdir "${dir}/busy-$FIELD_KEY"`,
    `exit $code`,
  ].join("; ");
}

async function runsOf(dir: string, key: string): Promise<[n: number, code: number][]> {
  const text = await readFile(`${dir}/runs-${key}`, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" ").map(Number) as [number, number]);
}

/** Each key's entries ended in stream order, each failure directly followed by its own retry. */
async function expectOrder(dir: string, keys: number, entries: number): Promise<void> {
  expect(await readdir(dir)).not.toContain("violations");
  for (let key = 0; key < keys; key++) {
    const runs = await runsOf(dir, `k${key}`);
    const expected = Array.from({ length: entries }, (_, n) => n).filter((n) => n % keys === key);
    expect(runs.filter(([, code]) => code === 0).map(([n]) => n)).toEqual(expected);
    for (const [i, [n, code]] of runs.entries()) if (code !== 0) expect(runs[i + 1]).toEqual([n, 0]);
  }
}

const ORDERED = ["--order-by", "key", "--env-fields", "-j", "4"];

async function fillKeys(redis: ReturnType<typeof rawRedis>, stream: string, keys: number, entries: number) {
  for (let n = 0; n < entries; n++) await redis.xadd(stream, "*", "key", `k${n % keys}`, "n", String(n));
}

describe("--order-by", () => {
  test("one at a time per value and in stream order, also across retries", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fillKeys(redis, stream, 5, 60);
    const result = await drain(stream, checker(dir, 7), ORDERED);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("60 ok, 0 dead-lettered");
    await expectOrder(dir, 5, 60);
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(await redis.exists(`${stream}:order:g`)).toBe(0);
  });

  test("over three workers of the group", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fillKeys(redis, stream, 6, 90);
    // No worker dies: none may take what another has only because the machine stood still.
    const more = [...ORDERED, "--claim-idle", "60s"];
    const results = await Promise.all([1, 2, 3].map(() => drain(stream, checker(dir, 11), more)));
    for (const { code } of results) expect(code).toBe(0);
    await expectOrder(dir, 6, 90);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a failing entry holds back its own key and no other", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    for (const [key, n] of [
      ["a", 1],
      ["a", 2],
      ["b", 3],
      ["b", 4],
      ["c", 5],
    ] as const) {
      await redis.xadd(stream, "*", "key", key, "n", String(n));
    }
    const handler = `test "$FIELD_N" = 1 && test ! -e ${dir}/mended && exit 1; echo "$FIELD_N"`;
    const worker = startWorker(stream, handler, [...ORDERED, "--max-deliveries", "1000"]);
    await until("the other keys are done", () => ["3", "4", "5"].every((n) => worker.stdout.includes(n)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(worker.stdout).not.toContain("2");
    await mkdir(`${dir}/mended`);
    await until("its key goes on", () => worker.stdout.endsWith("1\n2\n"));
  });

  test("a dead-lettered entry makes way for the next of its key; entries without the field run freely", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const n of [1, 2, 3]) await redis.xadd(stream, "*", "key", "a", "n", String(n));
    await redis.xadd(stream, "*", "n", "4");
    const result = await drain(stream, 'test "$FIELD_N" = 1 && exit 65; echo "$FIELD_N"', ORDERED);
    expect(result.stdout.split("\n").filter((line) => line !== "4")).toEqual(["2", "3", ""]);
    expect(result.stderr).toContain("3 ok, 1 dead-lettered");
  });

  test("an entry acked or deleted behind its back does not block a key", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids: string[] = [];
    for (const n of [1, 2, 3, 4])
      ids.push((await redis.xadd(stream, "*", "key", "a", "n", String(n))) as string);
    const gate = await closedGate();
    const worker = startWorker(stream, `${gate.wait}; echo "$FIELD_N"`, ORDERED);
    await until("all are read", async () => (await pendingIn(redis, stream).catch(() => 0)) === 4);
    await redis.xack(stream, "g", ids[1] as string);
    await redis.xdel(stream, ids[2] as string);
    await gate.open();
    await until("the key has moved on", () => worker.stdout === "1\n4\n");
  });

  test("a worker killed between two entries of a key leaves the rest to the others, in order", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fillKeys(redis, stream, 2, 12);
    // A consumer that read everything in order and died before it settled anything.
    const first = startWorker(stream, `echo >> "${dir}/begun"; sleep 60`, [
      ...ORDERED,
      "--shutdown-timeout",
      "50ms",
      "--kill-after",
      "50ms",
    ]);
    await until("all are read", async () => (await pendingIn(redis, stream).catch(() => 0)) === 12);
    // A handler that was ended counts as a delivery; one that was not begun does not.
    await until(
      "both keys run",
      async () => (await readFile(`${dir}/begun`, "utf8").catch(() => "")) === "\n\n",
    );
    first.signal("SIGTERM");
    first.signal("SIGTERM");
    await first.done;
    const result = await drain(stream, checker(dir, 1_000), ORDERED);
    expect(result.code).toBe(0);
    const order = (await Promise.all([0, 1].map((key) => runsOf(dir, `k${key}`)))).map((runs) =>
      runs.map(([n]) => n),
    );
    expect(order).toEqual([
      [0, 2, 4, 6, 8, 10],
      [1, 3, 5, 7, 9, 11],
    ]);
  });

  test("a stopping worker hands the next of its keys back at once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const n of [1, 2, 3]) await redis.xadd(stream, "*", "key", "a", "n", String(n));
    const times = ["--claim-idle", "60s"];
    const gate = await closedGate();
    const worker = startWorker(stream, `echo "$FIELD_N"; ${gate.wait}`, [...ORDERED, ...times]);
    await until("the first runs", () => worker.stdout === "1\n");
    worker.signal("SIGTERM");
    await gate.open();
    expect((await worker.done).code).toBe(0);
    const rest = await drain(stream, 'echo "$FIELD_N $STREAMCTL_DELIVERIES"', [...ORDERED, ...times]);
    expect(rest.stdout).toBe("2 1\n3 1\n");
  });

  test("what a worker had parked that is dead, and whose consumer somebody deletes, runs in order", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fillKeys(redis, stream, 3, 24);
    expect(await readAndDie(redis, stream)).toBe(24);
    await redis.xgroup("DELCONSUMER", stream, "g", "ghost");
    const worker = startWorker(stream, checker(dir, 1_000), ORDERED);
    await until("all are done", async () => (await allRuns(dir, 3)) === 24);
    await expectOrder(dir, 3, 24);
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    await redis.xgroup("DELCONSUMER", stream, "g", "ghost");
    worker.signal("SIGTERM");
    await worker.done;
    for (const key of ["order", "held"]) expect(await redis.exists(`${stream}:${key}:g`), key).toBe(0);
  });

  test.each(["DELCONSUMER", "DESTROY"])(
    "nothing is lost or out of order with XGROUP %s again and again",
    async (fault) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      const dir = await scratchDir();
      await fillKeys(redis, stream, 6, 150);
      const times = ["--claim-idle", "5s"];
      for (let i = 0; i < 2; i++) startWorker(stream, checker(dir, 9), [...ORDERED, ...times]);
      await until("they work", async () => (await allRuns(dir, 6)) > 5);
      for (let i = 0; i < 6; i++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        if (fault === "DESTROY") await redis.xgroup("DESTROY", stream, "g");
        else
          for (const [, name] of (await redis.xinfo("CONSUMERS", stream, "g")) as string[][])
            await redis.xgroup("DELCONSUMER", stream, "g", name as string);
      }
      await until("all are done", async () => (await doneIn(dir, 6)).length === 150, 90_000);
      for (let key = 0; key < 6; key++) {
        const firsts = [...new Set((await doneIn(dir, 6)).filter((n) => n % 6 === key))];
        expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
      }
    },
  );

  test("one that is parked and acked by hand stays acked when its worker stops", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids: string[] = [];
    for (const n of [1, 2, 3])
      ids.push((await redis.xadd(stream, "*", "key", "a", "n", String(n))) as string);
    const times = ["--claim-idle", "60s"];
    const gate = await closedGate();
    const worker = startWorker(stream, `echo "$FIELD_N"; ${gate.wait}`, [...ORDERED, ...times]);
    await until("the first runs", () => worker.stdout === "1\n");
    await redis.xack(stream, "g", ids[1] as string, ids[2] as string);
    worker.signal("SIGTERM");
    await gate.open();
    await worker.done;
    const rest = await drain(stream, 'echo "$FIELD_N"', [...ORDERED, ...times]);
    expect(rest.stdout).toBe("");
  });

  test("the keys of a worker that died go on at once after --claim-idle, whatever is parked before them", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const adding = redis.pipeline();
    for (let n = 0; n < 3_000; n++) adding.xadd(stream, "*", "key", "stuck", "n", "0");
    for (let n = 0; n < 200; n++) adding.xadd(stream, "*", "key", `k${n % 100}`, "n", String(n));
    await adding.exec();
    expect(await readAndDie(redis, stream)).toBe(3_200);
    const rows = (await redis.xpending(stream, "g", "-", "+", 3_200)) as [string][];
    const ageing = redis.pipeline();
    for (const [id] of rows) ageing.call("XCLAIM", stream, "g", "ghost", "0", id, "IDLE", "100000", "JUSTID");
    await ageing.exec();
    // A worker that lives is busy with the first of them.
    await redis.xclaim(stream, "g", "alive", 0, rows[0]?.[0] as string, "JUSTID");
    const worker = startWorker(stream, 'echo "$FIELD_N"', [...ORDERED, "--claim-idle", "60s"]);
    // Found by looking through the pending list page by page, they would take minutes.
    await until("all are acked", async () => (await pendingIn(redis, stream)) === 3_000);
    const lines = worker.stdout.trim().split("\n").map(Number);
    for (let key = 0; key < 100; key++)
      expect(lines.filter((n) => n % 100 === key)).toEqual([key, key + 100]);
  });
});

test("streams that leave while the worker is about to wait for them are not waited for, which Redis would refuse", async () => {
  const connection = await openConnection();
  const reader = await connection.reader();
  const settings = { group: groupName("g"), consumer: "c" };
  const turn = { slot: 0, streams: [uniqueKey()], count: 1, blockMs: 20, all: true };
  await expect(orderBy(connection, settings).read(reader, turn)).resolves.toEqual([]);
});

/** As much of a worker as the steps of order by key need. */
function orderBy(connection: Connection, settings: Member): OrderBy {
  return new OrderBy("key", {
    streams: streamsOf(connection),
    settings,
  } as Partial<OrderByParts> as OrderByParts);
}

/** Reads all there is in order, as consumer ghost, and does nothing more. Gives how many are pending then. */
async function readAndDie(redis: ReturnType<typeof rawRedis>, stream: StreamKey): Promise<number> {
  await redis.xgroup("CREATE", stream, "g", "0");
  const connection = await openConnection();
  const holders = (key: string): string => `${key}:held:g`;
  const settings = { group: groupName("g"), consumer: "ghost", holders };
  const reader = await connection.reader();
  const ordering = orderBy(connection, settings);
  for (let before = -1, now = 0; before !== now; now = await pendingIn(redis, stream)) {
    before = now;
    await ordering.read(reader, { slot: 0, streams: [stream], count: 10_000, blockMs: 0, all: true });
  }
  return pendingIn(redis, stream);
}

async function allRuns(dir: string, keys: number): Promise<number> {
  let count = 0;
  for (let key = 0; key < keys; key++) count += (await runsOf(dir, `k${key}`)).length;
  return count;
}

/** The numbers of the entries that succeeded, each once, in the order of their first success. */
async function doneIn(dir: string, keys: number): Promise<number[]> {
  const done = new Set<number>();
  for (let key = 0; key < keys; key++)
    for (const [n, code] of await runsOf(dir, `k${key}`)) if (code === 0) done.add(n);
  return [...done];
}

describe("the next entry of a key, between the ack of the one before and the step that moves the key on,", () => {
  const rule = { claimIdleMs: 60_000, delayMs: 1_000, maxDelayMs: 60_000 };

  test.each(["a sweep", "a read of a third"])("is not left parked by %s", async (what) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first, second] = [
      await redis.xadd(stream, "*", "key", "a"),
      await redis.xadd(stream, "*", "key", "a"),
    ];
    await redis.xgroup("CREATE", stream, "g", "0");
    const streams = streamsOf(await openConnection());
    const member = { group: groupName("g"), consumer: "c", holders: () => `${stream}:held:g` };
    const ordered = { member, ledger: `${stream}:order:g`, field: Buffer.from("key") };
    const most = { places: 5, look: 10, pending: 100 };
    expect((await streams.readInOrder(stream, ordered, most)).entries).toMatchObject([{ id: first }]);
    await streams.ackOwned(stream, member, [{ id: entryId(first as string), fence: 1 }], { remove: false });
    const other = { ...ordered, member: { ...member, consumer: "other" } };
    if (what === "a sweep") {
      const found = await streams.takeFronts(stream, other, rule, {
        limit: 5,
        cursor: "0",
        keys: 10,
        skip: [],
      });
      expect(found.taken).toEqual([]);
    } else {
      await redis.xadd(stream, "*", "key", "a");
      expect((await streams.readInOrder(stream, other, most)).entries).toEqual([]);
    }
    expect(await streams.nextInOrder(stream, ordered, Buffer.from("a"), first as string)).toMatchObject({
      id: second,
    });
    expect(await redis.hget(`${stream}:order:g`, "a")).not.toContain(first);
  });
});
