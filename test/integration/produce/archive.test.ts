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
    /could not read the input: it is cut off/,
  ],
  [
    "followed by garbage",
    (packed: Buffer) => Buffer.concat([packed, Buffer.from("garbage")]),
    /could not read the input: what follows the gzip data is no gzip/,
  ],
  ["damaged", (packed: Buffer) => Buffer.from(packed).fill(0xaa, 2_000, 2_100), /could not read the input: /],
  ["not packed at all", () => Buffer.from(numbered(1, 3)), /could not read the input: it is not gzip/],
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

test("padding between and behind packed archives drops nothing; .GZ is .gz, and stdin may be packed", async () => {
  const [key, other] = [uniqueKey(), uniqueKey()];
  const zeros = Buffer.alloc(512);
  const packed = Buffer.concat([gzipSync(numbered(1, 3)), zeros, gzipSync(numbered(4, 5)), zeros]);
  const file = await fileWith("N.GZ", packed);
  expect((await cli(["produce", key, "--file", file, "-q"])).code).toBe(0);
  expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 5));
  expect((await cli(["produce", other, "-q"], { stdin: packed })).code).toBe(0);
  expect(await valuesOf(rawRedis(), other)).toEqual(numbers(1, 5));
});

test("of an archive that is cut off every line before comes, so that a rerun of the whole one goes on there", async () => {
  const key = uniqueKey();
  const whole = gzipSync(numbered(1, 30_000));
  const file = await fileWith("n.gz", whole.subarray(0, whole.length - 2_000));
  const { code, stderr } = await cli(["produce", key, "--file", file]);
  expect(code).toBe(1);
  const through = Number(/resume with --skip-lines (\d+)/.exec(stderr)?.[1]);
  expect(through).toBeGreaterThan(20_000);
  await writeFile(file, whole);
  expect((await cli(["produce", key, "--file", file, "--skip-lines", String(through)])).code).toBe(0);
  expect(await valuesOf(rawRedis(), key)).toEqual(numbers(1, 30_000));
});

test.each([
  ["a,n\n0,1\n0,2\n0,3\n", 4],
  ["a,n\r0,1\r0,2\r0,3\r", 4],
  ['a,n\n0,1\n0,2\n0,3\n0,"4\n', 4],
  ["a,n\n0,1\n0,2\n0,3\n0,4", 4],
])("of CSV in an archive with garbage behind it every whole record comes: %j", async (text, through) => {
  const key = uniqueKey();
  const stdin = Buffer.concat([gzipSync(text), Buffer.from("garbage")]);
  const { code, stderr } = await cli(["produce", key, "--input", "csv"], { stdin });
  expect(stderr).toContain(`resume with --skip-lines ${through}`);
  expect(stderr).toContain("what follows the gzip data is no gzip");
  expect(code).toBe(1);
  const entries = await rawRedis().xrange(key, "-", "+");
  expect(entries.map(([, fields]) => fields[3])).toEqual(["1", "2", "3"]);
});

test.each([
  ["csv with CR line ends", ["--input", "csv"], Buffer.from("n\r1\r2\r"), ["1", "2"]],
  ["tsv with CR line ends", ["--input", "tsv"], Buffer.from("n\tm\r1\tx\r2\ty\r"), ["1", "2"]],
  [
    "lines behind a byte order mark",
    ["--input", "lines", "--field", "n"],
    Buffer.from("\uFEFF1\n2\n"),
    ["1", "2"],
  ],
  ["a byte order mark on a line of its own", [], Buffer.from('\uFEFF\n{"n":"1"}\n'), ["1"]],
])("%s", async (_, flags, stdin, values) => {
  const key = uniqueKey();
  expect(await cli(["produce", key, "-q", ...flags], { stdin })).toMatchObject({ code: 0, stderr: "" });
  expect(await valuesOf(rawRedis(), key)).toEqual(values);
});

test.each([
  ["UTF-16", Buffer.from('\uFEFF{"n":"1"}\n', "utf16le")],
  ["zstd", Buffer.from("28b52ffd0458", "hex")],
])("%s is refused by name, whether it holds entries or IDs", async (name, stdin) => {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  for (const argv of [
    ["produce", key],
    ["produce", key, "--input", "csv"],
    ["ack", key, "-g", "g", "-"],
  ]) {
    const { code, stderr } = await cli(argv, { stdin });
    expect(code).toBe(1);
    expect(stderr).toContain(`it is ${name === "UTF-16" ? name : "compressed with zstd"}`);
  }
  expect(await redis.xlen(key)).toBe(0);
});

test("IDs behind a byte order mark are IDs", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  await redis.xadd(key, "1-1", "a", "1");
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, ">");
  expect((await cli(["ack", key, "-g", "g", "-"], { stdin: "\uFEFF1-1\r\n" })).code).toBe(0);
  expect((await redis.xpending(key, "g"))[0]).toBe(0);
});
