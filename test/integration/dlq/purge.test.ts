import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";
import { scratchDir } from "../../support/worker.ts";
import { deadStream, longQueue } from "./support.ts";

describe("dlq purge", () => {
  test("deletes what the filters and dry-run said, and nothing else", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      { reason: "timeout 30s" },
      {},
      { reason: "exit 11" },
      {},
    ]);
    const flags = ["dlq", "purge", stream, "--reason", "~^exit 1$", "--since", "90m"];
    const dry = await cli([...flags, "--dry-run"]);
    expect(ndjson(dry.stdout).map((row) => row["originalId"])).toEqual(["4-0"]);
    expect(dry.stderr).toContain("would delete 1");
    expect(await redis.xlen(dlq)).toBe(4);
    expect(await cli([...flags, "-y"])).toMatchObject({ code: 0, stdout: "" });
    const left = ndjson((await cli(["dlq", "list", stream, "--oldest"])).stdout);
    expect(left.map((row) => row["originalId"])).toEqual(["1-0", "2-0", "3-0"]);
  });

  test("asks: without -y and without a terminal nothing is deleted", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}]);
    const { code, stderr } = await cli(["dlq", "purge", stream, "--all"]);
    expect(code).toBe(2);
    expect(stderr).toContain(`Delete 2 dead letters from ${dlq} for good: pass -y to say yes`);
    expect((await cli(["dlq", "purge", stream, "-y"])).code).toBe(2);
    expect(await redis.xlen(dlq)).toBe(2);
    const id = (await redis.xrange(dlq, "-", "+"))[0]?.[0] as string;
    expect((await cli(["dlq", "purge", stream, id, "7-7", "-y"])).code).toBe(5);
    expect((await cli(["dlq", "purge", stream, id, "-y"])).code).toBe(4);
    expect(await redis.xlen(dlq)).toBe(1);
  });

  test("of one letter everything is said in the singular", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{ deliveries: 1 }]);
    const id = (await redis.xrange(dlq, "-", "+"))[0]?.[0] as string;
    const said = [
      (await cli(["dlq", "show", stream, id, "-o", "table"])).stdout,
      (await cli(["dlq", "purge", stream, "--all"])).stderr,
      (await cli(["dlq", "purge", stream, "--all", "--dry-run"])).stderr,
      (await cli(["dlq", "purge", stream, "--all", "-y"])).stderr,
    ].join("");
    expect(said.match(/\b1 (times|dead letters|deliveries|entries)/g)).toBeNull();
    expect(said.match(/\b1 dead letter\b/g)).toHaveLength(3);
  });

  test.each(["dead.ndjson", "dead.ndjson.gz"])("%s holds what was deleted, and restores it", async (name) => {
    const redis = rawRedis();
    const binary = [
      Buffer.from([0xff]),
      Buffer.from([0x00, 0x0a]),
      ...textFields([
        ["a", "1"],
        ["a", "2"],
      ]),
    ];
    const { stream, dlq } = await deadStream(redis, [{ fields: binary }, { reason: "timeout 30s" }, {}]);
    const before = await redis.xrangeBuffer(dlq, "-", "+");
    const archive = join(await scratchDir(), name);
    // Half a line, as a run that was killed leaves it.
    if (!name.endsWith("gz")) await writeFile(archive, '{"half');
    await cli(["dlq", "purge", stream, "--reason", "~exit", "--archive", archive, "-y"]);
    await cli(["dlq", "purge", stream, "--all", "--archive", archive, "-y"]);
    expect(await redis.xlen(dlq)).toBe(0);
    const bytes = await readFile(archive);
    const text = name.endsWith("gz")
      ? gunzipSync(bytes).toString()
      : bytes.toString().replace('{"half\n', "");
    const restored = uniqueKey("restored");
    const sorted = `${text.trim().split("\n").toSorted().join("\n")}\n`;
    const produced = await cli(["produce", restored, "--input", "entries", "--keep-id"], { stdin: sorted });
    expect(produced.code).toBe(0);
    expect(await redis.xrangeBuffer(restored, "-", "+")).toEqual(before);
    // As the help says: replayed from there as from the queue it was in.
    expect((await cli(["dlq", "replay", stream, "--dlq", restored, "--all"])).code).toBe(0);
    expect(await redis.xlen(stream)).toBe(1 + before.length);
  });

  test("an archive that can't be written: nothing is deleted", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const nowhere = join(await scratchDir(), "no", "such", "folder");
    expect((await cli(["dlq", "purge", stream, "--all", "-y", "--archive", nowhere])).code).toBe(2);
    const full = await cli(["dlq", "purge", stream, "--all", "-y", "--archive", "/dev/full"]);
    expect(full.code).toBe(1);
    expect(full.stderr).toContain("what is not in the archive was not deleted");
    expect(await redis.xlen(dlq)).toBe(1);
  });

  test("Ctrl-C: whatever was deleted is in the archive", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dlq = `${stream}:dlq`;
    await longQueue(redis, 5_000, { stream, dlq });
    const archive = join(await scratchDir(), "dead.ndjson");
    const proxy = await Proxy.start();
    const argv = ["dlq", "purge", stream, "--all", "-y", "--archive", archive];
    const run = new CliRun(argv, { url: proxy.url });
    await proxy.holdWhen(async () => (await redis.xlen(dlq)) < 5_000);
    run.signal("SIGINT");
    proxy.release();
    expect((await run.done).code).toBe(130);
    const kept = new Set(ndjson(await readFile(archive, "utf8")).map((entry) => entry["id"]));
    const left = new Set((await redis.xrange(dlq, "-", "+")).map(([id]) => id));
    expect(left.size).toBeGreaterThan(0);
    for (let n = 1; n <= 5_000; n++) expect(kept.has(`${n}-1`) || left.has(`${n}-1`)).toBe(true);
  });

  test("a lost reply deletes no more than was chosen", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}, { reason: "timeout 30s" }]);
    const proxy = await Proxy.start();
    const lost = proxy.loseReplyTo("XDEL");
    expect((await cli(["dlq", "purge", stream, "--reason", "~exit", "-y"], { url: proxy.url })).code).toBe(0);
    await lost;
    expect(await redis.xlen(dlq)).toBe(1);
  });
});
