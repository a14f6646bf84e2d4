import { expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { pendingRows, pendingStream } from "../../support/pending.ts";
import { rawRedis } from "../../support/redis.ts";

test("acks by ID, whoever holds the entries, and prints what they were", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 3);
  const { code, stdout, stderr } = await cli(["ack", key, "-g", "g", "1-0", "2-0"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "streamctl: acked 2\n" });
  expect(ndjson(stdout)).toEqual([
    { stream: key, group: "g", id: "1-0", consumer: "a", idleMs: expect.any(Number), deliveries: 1 },
    { stream: key, group: "g", id: "2-0", consumer: "b", idleMs: expect.any(Number), deliveries: 1 },
  ]);
  expect(await pendingRows(redis, key)).toEqual([["3-0", "a", 1]]);
});

test("says which were not pending: exit 5 when some were, 4 when none was", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 1);
  const some = await cli(["ack", key, "-g", "g", "1-0", "7-0"]);
  expect(some.code).toBe(5);
  expect(some.stderr).toContain("7-0 is not pending");
  const none = await cli(["ack", key, "-g", "g", "1-0"]);
  expect(none.code).toBe(4);
  expect(none.stdout).toBe("");
});

test("--dry-run acks nothing", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 2);
  const { code, stdout, stderr } = await cli(["ack", key, "-g", "g", "1-0", "2-0", "--dry-run"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "streamctl: would ack 2\n" });
  expect(ndjson(stdout)).toHaveLength(2);
  expect(await pendingRows(redis, key)).toHaveLength(2);
});

test("takes the rows of pending --list from stdin, names the first few that are gone and counts the rest", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 250);
  const { stdout: listed } = await cli(["pending", key, "-g", "g", "--list"]);
  const all = await cli(["ack", key, "-g", "g", "-"], { stdin: listed });
  expect(all.code).toBe(0);
  expect(ndjson(all.stdout)).toHaveLength(250);
  expect(await pendingRows(redis, key)).toEqual([]);
  const again = await cli(["ack", key, "-g", "g", "-"], { stdin: listed });
  expect(again.code).toBe(4);
  expect(again.stderr.match(/is not pending/g)).toHaveLength(10);
  expect(again.stderr).toContain("and 240 more");
});

test("a row of another stream or group is refused by name: it has an ID that stands for another entry here", async () => {
  const redis = rawRedis();
  const [key, other] = [await pendingStream(redis, 3), await pendingStream(redis, 3)];
  const rows = (await cli(["pending", other, "-g", "g", "--list", "--limit", "1"])).stdout;
  for (const command of [["ack"], ["claim", "--to", "z"]]) {
    const [name = "", ...more] = command;
    const argv = [name, key, "-g", "g", ...more, "-"];
    const before = await pendingRows(redis, key);
    const all = await cli(argv, { stdin: `${rows}{"stream":"${key}","group":"h","id":"2-0"}\n` });
    expect(all.stderr).toContain(`line 1 is of stream ${other}, not ${key}: 1-0`);
    expect(all.stderr).toContain("line 2 is of group h, not g: 2-0");
    expect(all.code).toBe(4);
    expect(await pendingRows(redis, key)).toEqual(before);
    const some = await cli(argv, {
      stdin: `${rows}{"stream":"${key}","id":"${name === "ack" ? 2 : 3}-0"}\n`,
    });
    expect(some.code).toBe(5);
  }
});

test("a missing group or stream, a bad ID, a missing -g", async () => {
  const redis = rawRedis();
  const key = await pendingStream(redis, 1);
  const group = await cli(["ack", key, "-g", "billing", "1-0"]);
  expect(group.code).toBe(4);
  expect(group.stderr).toContain(`no group "billing" on ${key}: groups are g`);
  expect((await cli(["ack", uniqueKey(), "-g", "g", "1-0"])).code).toBe(4);
  expect((await cli(["ack", key, "-g", "g", "first"])).code).toBe(2);
  expect((await cli(["ack", key, "1-0"])).code).toBe(2);
  expect((await cli(["ack", key, "-g", "g"])).code).toBe(2);
  expect(await pendingRows(redis, key)).toHaveLength(1);
});
