import type { Cluster } from "ioredis";
import * as ioredis from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { StreamKey } from "../../../src/entry/names.ts";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { drain } from "../../support/worker.ts";
import { letterRecord, numbersIn, upTo } from "./support.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster.stop());

function client(): Cluster {
  const redis = new ioredis.Cluster([{ host: "127.0.0.1", port: Number(new URL(cluster.url).port) }]);
  onTestFinished(() => redis.disconnect());
  return redis;
}

async function fillQueue(redis: Cluster, stream: StreamKey, dlq: string, count: number): Promise<void> {
  const record = (n: number): Buffer[] => letterRecord(stream, n, {}, new Date(1_700_000_000_000));
  for (let at = 0; at < count; at += 200)
    await Promise.all(upTo(Math.min(200, count - at)).map((n) => redis.xadd(dlq, "*", ...record(at + n))));
}

/** A stream in another slot, and on another node. */
function elsewhere(key: string): string {
  for (;;) {
    const other = uniqueKey("other");
    if (cluster.ownerOf(keySlot(other)) !== cluster.ownerOf(keySlot(key))) return other;
  }
}

const sorted = async (redis: Cluster, stream: string): Promise<number[]> =>
  (await numbersIn(redis, stream)).toSorted((a, b) => a - b);

describe("dlq replay in a cluster", () => {
  const run = (...argv: string[]): ReturnType<typeof cli> =>
    cli(["dlq", "replay", ...argv, "--cluster"], { url: cluster.url });

  test("within the slot, and the number of replays survives", async () => {
    const redis = client();
    const stream = uniqueKey();
    await fillQueue(redis, stream, `{${stream}}:dlq`, 500);
    expect((await run(stream, "--all")).code).toBe(0);
    expect(await sorted(redis, stream)).toEqual(upTo(500));
    await drain(stream, "exit 65", ["--cluster", "-j", "4", "--stdin", "none"], { url: cluster.url });
    const listed = await cli(["dlq", "list", stream, "--cluster"], { url: cluster.url });
    expect(new Set(ndjson(listed.stdout).map((row) => row["replays"]))).toEqual(new Set([1]));
  });

  test("across slots: each once, also when two runs do it at once, and then never again", async () => {
    const redis = client();
    const stream = uniqueKey();
    const dlq = `{${stream}}:dlq`;
    const other = elsewhere(stream);
    await fillQueue(redis, stream, dlq, 1_000);
    const both = await Promise.all([1, 2].map(() => run(stream, "--all", "--to", other, "--json")));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(await sorted(redis, other)).toEqual(upTo(1_000));
    expect(await redis.xlen(dlq)).toBe(0);
    const counts = both.map(({ stderr }) => (JSON.parse(stderr) as { replayed: number }).replayed);
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(1_000);
  });

  test("across slots and kept: once, however often", async () => {
    const redis = client();
    const stream = uniqueKey();
    const other = elsewhere(stream);
    await fillQueue(redis, stream, `{${stream}}:dlq`, 300);
    for (let n = 0; n < 2; n++) expect((await run(stream, "--all", "--keep", "--to", other)).code).toBe(0);
    expect(await sorted(redis, other)).toEqual(upTo(300));
    expect(await redis.xlen(`{${stream}}:dlq`)).toBe(300);
  });

  test("across slots, added and not yet deleted when it was killed: deleted, and not added again", async () => {
    const redis = client();
    const stream = uniqueKey();
    const dlq = `{${stream}}:dlq`;
    const other = elsewhere(stream);
    await fillQueue(redis, stream, dlq, 50);
    const backup = await redis.dumpBuffer(dlq);
    expect((await run(stream, "--all", "--to", other)).code).toBe(0);
    await redis.restore(dlq, 0, backup, "REPLACE");
    expect((await run(stream, "--all", "--to", other)).stderr).toContain("replayed 0 entries");
    expect(await sorted(redis, other)).toEqual(upTo(50));
    expect(await redis.xlen(dlq)).toBe(0);
  });

  test("a queue in another slot: what still stands comes back to its group once, however often and from where", async () => {
    const redis = client();
    const stream = uniqueKey();
    const dlq = elsewhere(stream);
    await fillQueue(redis, stream, dlq, 200);
    const originals = Array.from({ length: 200 }, (_, n) => redis.xadd(stream, `${n + 1}-0`, "n", String(n)));
    await Promise.all(originals);
    for (const group of ["billing", "audit"]) await redis.xgroup("CREATE", stream, group, "$");
    const backup = await redis.dumpBuffer(dlq);
    const both = await Promise.all([1, 2].map(() => run(stream, "--all", "--dlq", dlq)));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const pending = (await redis.xpending(stream, "billing", "-", "+", 1_000)) as [string][];
    expect(pending).toHaveLength(200);
    expect(await redis.xlen(dlq)).toBe(0);
    await redis.xack(stream, "billing", ...pending.map(([id]) => id));
    // As after a crash between the two steps: marked, and still in the queue.
    await redis.restore(dlq, 0, backup, "REPLACE");
    expect((await run(stream, "--all", "--dlq", dlq)).stderr).toContain("replayed 0 entries");
    expect((await redis.xpending(stream, "billing"))[0]).toBe(0);
    expect([await redis.xlen(stream), await redis.xlen(dlq)]).toEqual([200, 0]);
  });

  test("a slot that moves while it replays", async () => {
    const redis = client();
    const stream = uniqueKey();
    const slot = keySlot(stream);
    await fillQueue(redis, stream, `{${stream}}:dlq`, 1_000);
    const going = run(stream, "--all", "--rate", "1000/s");
    const from = cluster.ownerOf(slot);
    await cluster.moveSlot(slot, from, (from + 1) % 3);
    expect((await going).code).toBe(0);
    expect(await sorted(redis, stream)).toEqual(upTo(1_000));
    expect(await redis.xlen(`{${stream}}:dlq`)).toBe(0);
  });
});
