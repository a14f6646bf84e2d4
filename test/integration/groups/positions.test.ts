import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";

const HOUR = 3_600_000;

/** A stream with an entry 3 h, 1 h and 1 min old by the server's clock, and a group `other` that has read one. */
async function agedStream(): Promise<{ key: string; ids: string[] }> {
  const redis = rawRedis();
  const key = uniqueKey();
  const [seconds] = (await redis.time()) as unknown as [string];
  const now = Number(seconds) * 1_000;
  const ids = [3 * HOUR, HOUR, 60_000].map((age) => `${now - age}-1`);
  for (const id of ids) await redis.xadd(key, id, "a", "1");
  await redis.xgroup("CREATE", key, "other", "0");
  await redis.xreadgroup("GROUP", "other", "c", "COUNT", 1, "STREAMS", key, ">");
  return { key, ids };
}

/** What the group is given from where it stands now. */
async function given(key: string, group = "g"): Promise<string[]> {
  const reply = (await rawRedis().xreadgroup("GROUP", group, "c", "STREAMS", key, ">")) as
    | [string, [string, string[]][]][]
    | null;
  return (reply?.[0]?.[1] ?? []).map(([id]) => id);
}

function iso(id: string, offsetMs = 0): string {
  return new Date(Number.parseInt(id, 10) + offsetMs).toISOString();
}

describe("a group begins, or is set, at any position", () => {
  const cases: [string, (ids: string[]) => string, number][] = [
    ["-", () => "-", 0],
    ["+", () => "+", 3],
    ["an age", () => "2h", 1],
    ["an age older than all", () => "7d", 0],
    ["a time", ([, second = ""]) => iso(second), 1],
    ["the moment after a time", ([, second = ""]) => iso(second, 1), 2],
    ["an ID", ([, second = ""]) => second, 2],
    ["another group", () => "group:other", 1],
  ];

  test.each(cases)("create --at %s", async (_name, at, skipped) => {
    const { key, ids } = await agedStream();
    const { code, stdout, stderr } = await cli(["group", "create", key, "g", "--at", at(ids)]);
    expect(code, stderr).toBe(0);
    expect(ndjson(stdout)).toMatchObject([{ group: "g", created: true }]);
    expect(await given(key)).toEqual(ids.slice(skipped));
  });

  test.each(cases)("set-id --at %s", async (_name, at, skipped) => {
    const { key, ids } = await agedStream();
    await rawRedis().xgroup("CREATE", key, "g", ids[2] as string);
    const dry = await cli(["group", "set-id", key, "g", "--at", at(ids), "--dry-run"]);
    expect(ndjson(dry.stdout)).toMatchObject([{ entries: 3 - skipped }]);
    const { code, stderr } = await cli(["group", "set-id", key, "g", "--at", at(ids), "-y"]);
    expect(code, stderr).toBe(0);
    expect(await given(key)).toEqual(ids.slice(skipped));
  });

  test.each([
    ["printing", []],
    ["a worker", ["--exec", 'echo "$STREAMCTL_ID"']],
  ])("consume --create-group --group-start, %s", async (_name, more) => {
    const { key, ids } = await agedStream();
    for (const [group, start, skipped] of [
      ["a", "2h", 1],
      ["b", "group:other", 1],
      ["c", iso(ids[2] as string), 2],
    ] as const) {
      const argv = ["consume", key, "-g", group, "--create-group", "--group-start", start, "--until-empty"];
      const { code, stdout, stderr } = await cli([...argv, ...more]);
      expect(code, stderr).toBe(0);
      for (const id of ids.slice(skipped)) expect(stdout).toContain(id);
      for (const id of ids.slice(0, skipped)) expect(stdout).not.toContain(id);
      // The other group need not be there any more once this one is.
      await rawRedis().xgroup("DESTROY", key, "other");
      expect((await cli([...argv, ...more])).code).toBe(0);
      await rawRedis().xgroup("CREATE", key, "other", ids[0] as string);
    }
  });

  test("where a group stands that is not there: exit 4, which there are", async () => {
    const { key } = await agedStream();
    const create = await cli(["group", "create", key, "g", "--at", "group:nobody"]);
    expect(create).toMatchObject({ code: 4, stderr: expect.stringContaining("groups are other") });
    const setId = await cli(["group", "set-id", key, "other", "--at", "group:nobody", "-y"]);
    expect(setId).toMatchObject({ code: 4, stderr: expect.stringContaining('no group "nobody"') });
    const none = await cli(["group", "create", uniqueKey(), "g", "--at", "group:x", "--mkstream"]);
    expect(none.code).toBe(4);
  });

  test.each(["soon", "group:", "(1-0", "", "1-x"])("--at %j: exit 2, with what it may be", async (at) => {
    const { code, stderr } = await cli(["group", "create", "orders", "g", "--at", at]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("group:OTHER") });
  });
});
