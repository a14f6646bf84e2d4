import { appendFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { longQueue, type Raw } from "../integration/dlq/support.ts";
import { bin, BinRun, PROGRAM } from "../support/bin.ts";
import { ndjson, uniqueKey } from "../support/cli.ts";
import { killedMidway } from "../support/midway.ts";
import { rawRedis, until } from "../support/redis.ts";
import { scratchDir } from "../support/worker.ts";

const ENTRIES = 6_000;
const NAMES = ["old.ndjson", "old.ndjson.gz"];

/** A queue of letters with the IDs 1-1, 2-1, …, and the command that archives and deletes all of them. */
async function queueToPurge(redis: Raw, archive: string): Promise<{ dlq: string; argv: string[] }> {
  const stream = uniqueKey();
  const dlq = `${stream}:dlq`;
  await longQueue(redis, ENTRIES, { stream, dlq });
  return { dlq, argv: ["dlq", "purge", stream, "--all", "-y", "--archive", archive] };
}

async function streamToTrim(redis: Raw, archive: string): Promise<{ dlq: string; argv: string[] }> {
  const { dlq } = await queueToPurge(redis, archive);
  return { dlq, argv: ["trim", dlq, "--maxlen", "0", "-q", "--archive", archive] };
}

/** Puts what is in the files back with `produce --keep-id`, and gives the IDs that are there then. */
async function restored(redis: Raw, files: readonly string[]): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const file of files) {
    const key = uniqueKey("restored");
    const argv = ["produce", key, "--input", "entries", "--keep-id", "--on-error", "skip", "--file", file];
    await bin(argv);
    for (const [id] of await redis.xrange(key, "-", "+")) ids.add(id);
  }
  return ids;
}

async function filesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => join(folder, name));
}

describe.each([
  ["dlq purge", queueToPurge],
  ["trim", streamToTrim],
])("%s --archive", (_, prepare) => {
  test.each(NAMES)("%s: killed with SIGKILL at random moments, nothing is lost", async (name) => {
    const redis = rawRedis();
    const folder = await scratchDir();
    const { dlq, argv } = await prepare(redis, join(folder, name));
    await killedMidway(argv, async () => (await redis.xlen(dlq)) < ENTRIES);
    while ((await redis.xlen(dlq)) > 0) {
      const run = new BinRun(argv);
      const goal = (await redis.xlen(dlq)) - 1 - Math.random() * 1_500;
      let ended = false;
      void run.done.then(() => (ended = true));
      await until("it is time", async () => ended || (await redis.xlen(dlq)) <= goal);
      run.signal("SIGKILL");
      await run.done;
    }
    expect((await restored(redis, await filesIn(folder))).size).toBe(ENTRIES);
  });

  test.each(NAMES)("%s: two runs into one file, and every entry is in it", async (name) => {
    const redis = rawRedis();
    const folder = await scratchDir();
    const { dlq, argv } = await prepare(redis, join(folder, name));
    const results = await Promise.all([bin(argv), bin(argv)]);
    expect(results.map(({ code, stderr }) => (code === 0 ? code : stderr))).toEqual([0, 0]);
    expect(await redis.xlen(dlq)).toBe(0);
    expect(await filesIn(folder)).toHaveLength(1);
    expect((await restored(redis, await filesIn(folder))).size).toBe(ENTRIES);
  });

  test.each(NAMES)("%s: a disk that fills up ends it, and the next run goes on", async (name) => {
    const redis = rawRedis();
    const folder = await scratchDir();
    const archive = join(folder, name);
    const { dlq, argv } = await prepare(redis, archive);
    // A file that may not grow fails like a full disk: a part is written, then an error comes.
    const program = ["sh", "-c", `ulimit -f 40; exec "$@"`, "sh", ...PROGRAM] as const;
    const full = await bin(argv, { program: [...program] });
    expect(full.code).toBe(1);
    expect(full.stderr).toContain(`could not write ${archive}: EFBIG`);
    expect(full.stderr).toContain("what is not in the archive was not deleted");
    expect(await redis.xlen(dlq)).toBeGreaterThan(0);
    // Half a piece was taken back, so the file is whole.
    const bytes = await readFile(archive);
    const lines = ndjson((name.endsWith("gz") ? gunzipSync(bytes) : bytes).toString("utf8"));
    expect(lines.length).toBe(ENTRIES - (await redis.xlen(dlq)));
    expect((await bin(argv)).code).toBe(0);
    expect((await restored(redis, [archive])).size).toBe(ENTRIES);
  });
});

test("a compressed archive that ends half-way is set aside, and nothing is appended to it", async () => {
  const redis = rawRedis();
  const folder = await scratchDir();
  const archive = join(folder, "old.ndjson.gz");
  const first = await queueToPurge(redis, archive);
  expect((await bin(first.argv)).code).toBe(0);
  const whole = await readFile(archive);
  await appendFile(archive, whole.subarray(0, 1_000));
  const second = await queueToPurge(redis, archive);
  const { code, stderr } = await bin(second.argv);
  expect(code).toBe(0);
  const [aside = ""] = (await filesIn(folder)).filter((file) => file !== archive);
  expect(aside).toMatch(/\.torn-.*\.gz$/);
  expect(stderr).toContain(`it is kept as ${aside}`);
  expect((await restored(redis, [aside])).size).toBe(ENTRIES);
  expect((await restored(redis, [archive])).size).toBe(ENTRIES);
});
