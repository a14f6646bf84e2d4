import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { cli, ndjson } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadStream, fieldsIn, type Raw } from "./support.ts";

/** A queue that something else wrote, an entry per list of fields. */
async function foreignQueue(
  redis: Raw,
  entries: readonly string[][],
): Promise<{ stream: string; dlq: string }> {
  const names = await deadStream(redis, []);
  for (const [n, fields] of entries.entries()) await redis.xadd(names.dlq, `${n + 5}-0`, ...fields);
  return names;
}

const wrapper = (payload: string, ...more: string[]): string[] => [
  "original_id",
  "1694012345678-3",
  "payload",
  payload,
  "reason",
  "no stock",
  "failed_at",
  "2026-03-01T12:00:00Z",
  ...more,
];

describe("queues that others wrote", () => {
  test("entries copied field by field are listed and replayed as they are", async () => {
    const redis = rawRedis();
    const { stream } = await foreignQueue(redis, [["orderId", "42", "orderId", "43", "", "x"]]);
    const [row] = ndjson((await cli(["dlq", "list", stream])).stdout);
    expect(row).toMatchObject({ layout: "copied", originalId: null, reason: null });
    expect((await cli(["dlq", "replay", stream, "--all"])).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([
      textFields([
        ["orderId", "42"],
        ["orderId", "43"],
        ["", "x"],
      ]),
    ]);
  });

  test("wrapped entries: the facts are read, the payload's keys are the fields, its numbers as written", async () => {
    const redis = rawRedis();
    const payload = '{"b":"\\u00e9","10":9007199254740993,"a":1.10,"nested":{"x": 1},"b":null}';
    const { stream } = await foreignQueue(redis, [wrapper(payload)]);
    const [row] = ndjson(
      (await cli(["dlq", "list", stream, "--reason", "no stock", "--where", "a=1.10"])).stdout,
    );
    expect(row).toMatchObject({
      layout: "wrapped",
      originalId: "1694012345678-3",
      reason: "no stock",
      failedAt: "2026-03-01T12:00:00.000Z",
    });
    expect((await cli(["dlq", "replay", stream, "--all"])).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([
      textFields([
        ["b", "é"],
        ["10", "9007199254740993"],
        ["a", "1.10"],
        ["nested", '{"x": 1}'],
        ["b", "null"],
      ]),
    ]);
  });

  const DOUBTFUL: [string, string[], string, readonly Buffer[]][] = [
    [
      "a payload that is not JSON",
      wrapper("plain text"),
      "no JSON object",
      textFields([["payload", "plain text"]]),
    ],
    ["a payload that is a list", wrapper("[1]"), "no JSON object", textFields([["payload", "[1]"]])],
    [
      "fields besides the wrapper's",
      wrapper('{"a":"1"}', "host", "h7"),
      "not be replayed: host",
      textFields([["a", "1"]]),
    ],
    [
      "no original_id",
      ["payload", '{"a":"1"}', "failed_at", "1700000000"],
      "no original_id",
      textFields([["a", "1"]]),
    ],
    [
      "a copy with a reason",
      ["a", "1", "reason", "x"],
      'a field "reason"',
      textFields([
        ["a", "1"],
        ["reason", "x"],
      ]),
    ],
    [
      "half a record",
      ["a", "1", "dlq.id", "5-0"],
      'a field "dlq.id"',
      textFields([
        ["a", "1"],
        ["dlq.id", "5-0"],
      ]),
    ],
  ];

  test.each(DOUBTFUL)(
    "%s: it says what it took it for, asks, and with -y goes on",
    async (_, fields, why, taken) => {
      const redis = rawRedis();
      const { stream, dlq } = await foreignQueue(redis, [fields]);
      expect((await cli(["dlq", "list", stream])).code).toBe(0);
      const asked = await cli(["dlq", "replay", stream, "--all"]);
      expect(asked.code).toBe(2);
      expect(asked.stderr).toContain(`${dlq}: 5-0 is taken for`);
      expect(asked.stderr).toContain(why);
      expect(await redis.xlen(dlq)).toBe(1);
      expect((await cli(["dlq", "replay", stream, "--all", "-y"])).code).toBe(0);
      expect(await fieldsIn(redis, stream)).toEqual([taken]);
      expect(await redis.xlen(dlq)).toBe(0);
    },
  );

  test("of several kinds in doubt each is told before it asks", async () => {
    const redis = rawRedis();
    const text = wrapper("plain text");
    const { stream, dlq } = await foreignQueue(redis, [text, ["a", "1", "reason", "x"], text, ["a", "2"]]);
    const ids = (await redis.xrange(dlq, "-", "+")).map(([id]) => id);
    const { stderr } = await cli(["dlq", "replay", stream, "--all"]);
    expect(stderr).toMatch(
      new RegExp(`${ids[0]} is taken for a wrapped original, but .* \\(and 1 more of the 4 looked at\\)`),
    );
    expect(stderr).toContain(`${ids[1]} is taken for a copy of the original, but has a field "reason"`);
  });

  test("--layout says what they are, and nothing is asked", async () => {
    const redis = rawRedis();
    const { stream } = await foreignQueue(redis, [wrapper("plain text"), ["payload", '{"a":"1"}']]);
    expect((await cli(["dlq", "replay", stream, "--all", "--layout", "wrapped"])).code).toBe(0);
    expect(await fieldsIn(redis, stream)).toEqual([
      textFields([["payload", "plain text"]]),
      textFields([["a", "1"]]),
    ]);
    const copies = await foreignQueue(redis, [wrapper("{}")]);
    expect((await cli(["dlq", "replay", copies.stream, "--all", "--layout", "copied"])).code).toBe(0);
    expect((await fieldsIn(redis, copies.stream))[0]?.map(String)).toEqual(wrapper("{}"));
    const odd = await foreignQueue(redis, [["a", "1"]]);
    for (const layout of ["native", "wrapped"])
      expect((await cli(["dlq", "replay", odd.stream, "--all", "--layout", layout])).code).toBe(2);
  });

  test("a mixed queue: what comes after the look and is in doubt stays, and is counted", async () => {
    const redis = rawRedis();
    const plain = Array.from({ length: 400 }, (_, n) => ["n", String(n)]);
    const { stream, dlq } = await foreignQueue(redis, [...plain, ["a", "1", "error", "x"], ["n", "400"]]);
    const { code, stderr } = await cli(["dlq", "replay", stream, "--all"]);
    expect(code).toBe(5);
    expect(stderr).toContain("replayed 401 entries");
    expect(stderr).toContain("1 left out: what they are is in doubt");
    expect((await redis.xrange(dlq, "-", "+")).map(([, fields]) => fields)).toEqual([
      ["a", "1", "error", "x"],
    ]);
  });
});
