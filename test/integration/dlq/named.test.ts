import { describe, expect, test } from "vitest";
import { groupName } from "../../../src/entry/names.ts";
import { cli, ndjson } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadStream, numbersIn } from "./support.ts";

describe("dead letters named by their IDs", () => {
  test("named letters, and no others; those that are not there are said to be", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}, {}]);
    const ids = (await redis.xrange(dlq, "-", "+")).map(([id]) => id);
    const some = await cli(["dlq", "replay", stream, ids[1] as string, ids[1] as string, "5-5"]);
    expect(some).toMatchObject({ code: 5, stderr: expect.stringContaining(`not in ${dlq}: 5-5`) });
    expect(await numbersIn(redis, stream)).toEqual([1]);
    expect((await cli(["dlq", "replay", stream, "5-5"])).code).toBe(4);
    expect((await redis.xrange(dlq, "-", "+")).map(([id]) => id)).toEqual([ids[0], ids[2]]);
  });

  test("named out of order they go back oldest first", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}, {}]);
    const ids = (await redis.xrange(dlq, "-", "+")).map(([id]) => id);
    expect((await cli(["dlq", "replay", stream, ...ids.toReversed()])).code).toBe(0);
    expect(await numbersIn(redis, stream)).toEqual([0, 1, 2]);
  });

  test("- takes rows of dlq list, or IDs, from stdin; a line that is neither is told: exit 5", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, { group: groupName("other") }, {}, {}]);
    const list = await cli(["dlq", "list", stream, "--group", "billing"]);
    const dry = await cli(["dlq", "replay", stream, "-", "--dry-run"], { stdin: list.stdout });
    expect(ndjson(dry.stdout).map((row) => row["originalId"])).toEqual(["1-0", "3-0", "4-0"]);
    const [newest] = ndjson(list.stdout);
    expect((await cli(["dlq", "purge", stream, "-", "-y"], { stdin: String(newest?.["id"]) })).code).toBe(0);
    const result = await cli(["dlq", "replay", stream, "-"], { stdin: `no ID\n${list.stdout}` });
    expect(result.code).toBe(5);
    expect(result.stderr).toContain("line 1 is no entry ID: no ID");
    expect(result.stderr).toContain(`not in ${dlq}: ${String(newest?.["id"])}`);
    expect(await numbersIn(redis, stream)).toEqual([0, 2]);
    expect(await numbersIn(redis, dlq)).toEqual([1]);
    const many = Array.from({ length: 100_001 }, (_, n) => `${n + 1}-0\n`).join("");
    expect((await cli(["dlq", "purge", stream, "-", "-y"], { stdin: many })).code).toBe(2);
    expect((await cli(["dlq", "replay", stream, "-"], { stdin: "" })).code).toBe(0);
    expect((await cli(["dlq", "replay", stream, "-"], { stdin: "?\n" })).code).toBe(4);
    expect((await cli(["dlq", "replay", stream, "-", "1-1"])).code).toBe(2);
    expect((await cli(["dlq", "replay", stream, "-", "--all"])).code).toBe(2);
  });

  test("a row of another queue, or of a stream that is no queue, is refused by name", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}, {}]);
    const other = await deadStream(redis, [{}]);
    const [id] = (await redis.xrange(dlq, "-", "+")).map(([found]) => found);
    const rows = [
      ...ndjson((await cli(["dlq", "list", other.stream])).stdout).map((row) => ({ ...row, id })),
      { stream, id, fields: {} },
    ];
    const stdin = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    const { code, stderr } = await cli(["dlq", "purge", stream, "-", "-y"], { stdin });
    expect(stderr).toContain(`line 1 is of queue ${other.dlq}, not ${dlq}: ${id}`);
    expect(stderr).toContain(`line 2 is of stream ${stream}, not ${dlq}: ${id}`);
    expect(code).toBe(4);
    expect(await redis.xlen(dlq)).toBe(2);
    const own = (await cli(["consume", dlq, "--count", "1"])).stdout;
    expect((await cli(["dlq", "purge", stream, "-", "-y"], { stdin: own })).code).toBe(0);
    expect(await redis.xlen(dlq)).toBe(1);
  });
});
