import { expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { serverUrl } from "../../support/server-url.ts";

test("lists the streams that a pattern matches, sorted, and nothing that is no stream", async () => {
  const redis = rawRedis();
  const prefix = uniqueKey("ls");
  await redis.xadd(`${prefix}:b`, "1-0", "a", "1");
  await redis.xadd(`${prefix}:b`, "2-0", "a", "1");
  await redis.xgroup("CREATE", `${prefix}:a`, "g", "0", "MKSTREAM");
  await redis.lpush(`${prefix}:list`, "x");
  const { code, stdout } = await cli(["ls", `${prefix}:*`]);
  expect(code).toBe(0);
  expect(ndjson(stdout)).toEqual([
    {
      stream: `${prefix}:a`,
      length: 0,
      groups: 1,
      firstId: null,
      lastId: null,
      memoryBytes: expect.any(Number),
    },
    {
      stream: `${prefix}:b`,
      length: 2,
      groups: 0,
      firstId: "1-0",
      lastId: "2-0",
      memoryBytes: expect.any(Number),
    },
  ]);
});

test("a pattern without a match is an empty list; a stream that is not there is an error", async () => {
  const prefix = uniqueKey("ls");
  expect(await cli(["ls", `${prefix}:*`])).toMatchObject({ code: 0, stdout: "", stderr: "" });
  const missing = await cli(["ls", prefix]);
  expect(missing.code).toBe(4);
  expect(missing.stderr).toContain(`no such stream: ${prefix}`);
});

test("a user without the right to MEMORY still sees the rest", async () => {
  const redis = rawRedis();
  const key = uniqueKey("ls");
  await redis.xadd(key, "1-0", "a", "1");
  const user = uniqueKey("user").replaceAll(":", "-");
  await redis.call("ACL", "SETUSER", user, "on", ">pw", "~*", "-@all", "+xinfo", "+info", "+ping");
  const url = new URL(serverUrl());
  url.username = user;
  url.password = "pw";
  const { stdout, stderr } = await cli(["ls", key], { url: url.href });
  expect(stderr).toBe("");
  expect(ndjson(stdout)).toMatchObject([{ stream: key, length: 1, memoryBytes: null }]);
  await redis.call("ACL", "DELUSER", user);
});
