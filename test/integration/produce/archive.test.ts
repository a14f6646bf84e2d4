import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { numbered, numbers, summaryOf, valuesOf } from "./support.ts";

async function fileWith(name: string, bytes: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-produce-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  await writeFile(file, bytes);
  return file;
}

test("a packed archive of entries comes back with its IDs and every byte", async () => {
  const redis = rawRedis();
  const [from, to] = [uniqueKey(), uniqueKey()];
  await redis.xadd(from, "5-1", Buffer.from([0xff]), Buffer.from([0, 0xfe]), "a", "1", "a", "2");
  await redis.xadd(from, "5-2", "b", "x");
  const { stdoutBytes } = await cli(["consume", from]);
  const file = await fileWith("archive.ndjson.gz", gzipSync(stdoutBytes));
  const result = await cli(["produce", to, "--input", "entries", "--keep-id", "--file", file]);
  expect(result.code).toBe(0);
  expect(await redis.xrangeBuffer(to, "-", "+")).toEqual(await redis.xrangeBuffer(from, "-", "+"));
});

test("archives written one after the other into one file are read to the end", async () => {
  const key = uniqueKey();
  const packed = Buffer.concat([gzipSync(numbered(1, 20_000)), gzipSync(numbered(20_001, 20_003))]);
  const file = await fileWith("n.gz", packed);
  expect((await cli(["produce", key, "--file", file, "-q"])).code).toBe(0);
  expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 20_003));
});

test("CSV may be packed, byte order mark and all", async () => {
  const key = uniqueKey();
  const file = await fileWith("n.csv.gz", gzipSync("\uFEFFn\n1\n2\n"));
  expect((await cli(["produce", key, "--input", "csv", "--file", file])).code).toBe(0);
  expect(await valuesOf(rawRedis(), key)).toEqual(["1", "2"]);
});

test.each([
  [
    "cut off",
    (packed: Buffer) => packed.subarray(0, packed.length - 10),
    /could not read the input: unexpected end of file/,
  ],
  ["damaged", (packed: Buffer) => Buffer.from(packed).fill(0xaa, 2_000, 2_100), /could not read the input: /],
  [
    "not packed at all",
    () => Buffer.from(numbered(1, 3)),
    /could not read the input: incorrect header check/,
  ],
])(
  "an archive that is %s: the run fails, and what it says to be in Redis is there",
  async (_, spoil, message) => {
    const key = uniqueKey();
    const file = await fileWith("n.gz", spoil(gzipSync(numbered(1, 30_000))));
    const result = await cli(["produce", key, "--file", file, "-o", "json"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(message);
    const summary = summaryOf(result);
    expect(summary.complete).toBe(false);
    expect(await rawRedis().xlen(key)).toBe(summary.inRedis);
  },
);
