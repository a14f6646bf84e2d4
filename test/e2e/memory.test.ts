import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { uniqueKey } from "../support/cli.ts";
import { MB, measured } from "../support/memory.ts";
import { rawRedis } from "../support/redis.ts";
import { scratchDir } from "../support/worker.ts";

/** What the program itself takes: newer Nodes have some 10 MB more at the start, and collect later. */
const BARE_MB = Number.parseInt(process.versions.node, 10) >= 22 ? 110 : 85;
/** Of the values below. */
const VALUE_MB = 32;

/** A stream with one large entry, that a group has failed on, in its dead-letter queue as well. */
async function withLargeEntry(value: Buffer): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  onTestFinished(async () => void (await redis.del(key, `${key}:dlq`)));
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  await redis.xadd(key, "1-1", "v", value);
  const facts = ["dlq.stream", key, "dlq.id", "1-1", "dlq.group", "g", "dlq.consumer", "c"];
  const failure = ["dlq.deliveries", "3", "dlq.reason", "exit 1", "dlq.exit", "1", "dlq.stderr", ""];
  const when = ["dlq.failed-at", "2026-11-03T10:00:00.123Z", "dlq.replays", "0"];
  await redis.xadd(`${key}:dlq`, "1-1", "v", value, ...facts, ...failure, ...when);
  return key;
}

describe.skipIf(!existsSync("/proc/self/status"))("memory (seen in /proc)", () => {
  test.each([[[]], [["-g", "g", "--until-empty"]]])(
    "stays flat while a reader is slower than Redis, %j",
    async (flags) => {
      const redis = rawRedis();
      const key = uniqueKey();
      await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
      // 240 MB: far more than may be held at once.
      const add = "for i = 1, 2400 do redis.call('XADD', KEYS[1], i .. '-1', 'note', ARGV[1]) end";
      await redis.eval(add, 1, key, "x".repeat(100_000));
      const { code, bytes, peakMb } = await measured(["consume", key, ...flags]);
      expect(code).toBe(0);
      expect(bytes).toBeGreaterThan(240_000_000);
      expect(peakMb).toBeLessThan(70 + BARE_MB);
      await redis.del(key);
    },
  );

  test.each([
    ["text as JSON", "x".charCodeAt(0), []],
    ["text of a group's", "x".charCodeAt(0), ["-g", "g", "--until-empty"]],
    ["binary as JSON", 0xff, ["-g", "g", "--until-empty"]],
    ["control characters as JSON", 1, ["-o", "json"]],
    ["raw", 0xff, ["-o", "raw", "--field", "v"]],
  ])("a large value is printed in pieces, %s", async (_, byte, flags) => {
    const value = Buffer.alloc(VALUE_MB * MB, byte);
    const key = await withLargeEntry(value);
    const { code, bytes, peakMb } = await measured(["consume", key, ...flags]);
    expect(code).toBe(0);
    expect(bytes).toBeGreaterThan(value.length);
    expect(peakMb).toBeLessThan(VALUE_MB * 3 + BARE_MB);
  });

  test("what does not print entries does not load them, and letters are not loaded twice", async () => {
    const key = await withLargeEntry(Buffer.alloc(VALUE_MB * MB, "x"));
    for (const argv of [
      ["lag", key],
      ["ls", key],
      ["info", key],
    ])
      expect((await measured(argv)).peakMb, argv[0]).toBeLessThan(VALUE_MB / 2 + BARE_MB);
    for (const [most, ...command] of [
      [2, "list", key],
      [2, "show", key, "1-1"],
      [2.5, "replay", key, "--all", "--dry-run"],
    ] as const) {
      const { bytes, peakMb } = await measured(["dlq", ...command]);
      expect(bytes).toBeGreaterThan(VALUE_MB * MB);
      expect(peakMb, command[0]).toBeLessThan(VALUE_MB * most + BARE_MB);
    }
  });

  test.each([
    ["by its ID", 1.75, 1, []],
    ["by its ID, kept", 1.75, 1, ["--keep"]],
    ["by its reason", 1.75, 1, ["--reason", "~exit"]],
    ["one of several that are named", 3, 3, []],
    ["one of several that fit", 3, 3, ["--reason", "~exit"]],
    ["anew where another group gets it, too", 3, 1, ["-y"]],
  ])("a large letter is replayed without a copy of it, %s", async (_, most, letters, flags) => {
    const redis = rawRedis();
    const key = await withLargeEntry(Buffer.alloc(2 * VALUE_MB * MB, "x"));
    if (flags.includes("-y")) await redis.xgroup("CREATE", key, "other", "$");
    await redis.xdel(key, "1-1");
    const [[, fields]] = (await redis.xrangeBuffer(`${key}:dlq`, "-", "+")) as [[Buffer, Buffer[]]];
    for (let n = 2; n <= letters; n++) await redis.xadd(`${key}:dlq`, `${n}-1`, ...fields);
    const ids = flags.includes("--reason") ? [] : Array.from({ length: letters }, (_id, n) => `${n + 1}-1`);
    const { code, peakMb } = await measured(["dlq", "replay", key, ...ids, ...flags]);
    expect(code).toBe(0);
    expect(await redis.xlen(key)).toBe(letters);
    expect(peakMb).toBeLessThan(2 * VALUE_MB * most + BARE_MB);
  });

  test.each([["a.ndjson"], ["a.ndjson.gz"]])("a large value is archived in pieces, %s", async (name) => {
    const value = Buffer.alloc(VALUE_MB * MB, 0xff);
    const key = await withLargeEntry(value);
    const file = join(await scratchDir(), name);
    const argv = ["trim", key, "--maxlen", "0", "--exact", "--force", "-y", "--archive", file];
    const { code, peakMb } = await measured(argv);
    expect(code).toBe(0);
    expect(peakMb).toBeLessThan(VALUE_MB * 3 + BARE_MB);
    const bytes = await readFile(file);
    const text = name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
    const head = `{"stream":"${key}","id":"1-1","fields":{"v":{"base64":"`;
    expect(text.subarray(0, head.length).toString()).toBe(head);
    expect(text.subarray(-5).toString()).toBe('"}}}\n');
    expect(text.length).toBe(head.length + Math.ceil(value.length / 3) * 4 + 5);
    expect(await rawRedis().xlen(key)).toBe(0);
  });
});
