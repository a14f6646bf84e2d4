import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";
import { scratchDir } from "../../support/worker.ts";
import { group, numbered, row } from "./support.ts";

describe("trim --archive", () => {
  test.each(["old.ndjson", "old.ndjson.gz"])("%s holds what went, and only that", async (name) => {
    const redis = rawRedis();
    const stream = await numbered(redis, 2_500);
    await group(redis, stream, "g", 2_000);
    const before = await redis.xrange(stream, "-", "2000-1");
    const archive = join(await scratchDir(), name);
    expect(await row(stream, "--maxlen", "100", "--archive", archive)).toMatchObject({
      removed: 2_000,
      length: 500,
      heldBy: "g",
    });
    const bytes = await readFile(archive);
    const text = name.endsWith("gz") ? gunzipSync(bytes) : bytes;
    const restored = uniqueKey("restored");
    await cli(["produce", restored, "--input", "entries", "--keep-id"], { stdin: text });
    expect(await redis.xrange(restored, "-", "+")).toEqual(before);
  });

  test("a group that is made meanwhile ends it, and the rest is not archived", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 20_000);
    const archive = join(await scratchDir(), "old.ndjson");
    const proxy = await Proxy.start();
    const run = cli(["trim", stream, "--maxlen", "0", "--archive", archive], { url: proxy.url });
    await proxy.holdWhen(async () => (await redis.xlen(stream)) < 20_000);
    await redis.xgroup("CREATE", stream, "late", "0");
    proxy.release();
    const left = await redis.xlen(stream);
    expect(ndjson((await run).stdout)[0]).toMatchObject({ heldBy: "late", length: left });
    // But for the page at hand.
    const archived = ndjson(await readFile(archive, "utf8")).length;
    expect(archived).toBeLessThanOrEqual(20_000 - left + 1_000);
    expect(archived).toBeLessThan(20_000);
  });

  test("FILE.gz to which nothing had to go unpacks to nothing", async () => {
    const stream = await numbered(rawRedis(), 10);
    const archive = join(await scratchDir(), "old.ndjson.gz");
    expect(await row(stream, "--maxlen", "100", "--archive", archive)).toMatchObject({ removed: 0 });
    expect(gunzipSync(await readFile(archive))).toHaveLength(0);
    expect(await row(stream, "--maxlen", "1", "--archive", archive)).toMatchObject({ removed: 9 });
    expect(ndjson(gunzipSync(await readFile(archive)).toString())).toHaveLength(9);
  });

  test("a dry run writes no archive", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    const archive = join(await scratchDir(), "none");
    await row(stream, "--maxlen", "1", "--archive", archive, "--dry-run");
    await expect(readFile(archive)).rejects.toThrow("ENOENT");
  });
});
