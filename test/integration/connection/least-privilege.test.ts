import { expect, test } from "vitest";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { fill, workerArgv } from "../../support/worker.ts";

test("a user with a worker's rights can do all that needs no more, also without TIME and XREVRANGE", async ({
  skip,
}) => {
  const redis = rawRedis();
  skip(!/server_time_usec/.test(await redis.info("server")), "INFO tells no time before Redis 7.0");
  const stream = uniqueKey();
  await fill(redis, stream, 60);
  // What docs/permissions.md gives a worker, and those who trim and purge besides: neither TIME nor XREVRANGE.
  const rights = [...(await workerRights(redis)), "+xtrim", "+xdel"];
  const { url } = await userWith(redis, [`~${stream}`, `~${stream}:dlq`, ...rights]);
  const run = (...argv: string[]): Promise<CliResult> => cli(argv, { url });
  const rows = async (...argv: string[]): Promise<unknown[]> => ndjson((await run(...argv)).stdout);

  const worker = workerArgv(stream, "exit 65", "--count", "10");
  expect(await cli(worker, { url })).toMatchObject({ code: 0 });
  expect(await rows("lag", stream)).toMatchObject([{ lag: 50, pending: 0 }]);
  expect(await rows("info", stream, "-o", "ndjson")).toMatchObject([{ length: 60 }]);
  expect(await rows("consume", stream, "--from", "15m", "--count", "1")).toHaveLength(1);
  expect(await rows("dlq", "list", stream, "--by", "reason")).toMatchObject([{ key: "exit 65", count: 10 }]);
  expect(await rows("dlq", "list", stream, "--oldest", "--since", "1h", "--limit", "1")).toHaveLength(1);
  const newest = await run("dlq", "list", stream);
  expect(newest.code).toBe(1);
  expect(newest.stderr).toContain("`--oldest` goes without XREVRANGE");
  // The entry to keep is nearer to the end, where a user with XREVRANGE would begin to look for it.
  expect(await rows("trim", stream, "--maxlen", "3", "--exact", "--dry-run", "--force")).toMatchObject([
    { wouldRemove: 57 },
  ]);
  expect(await rows("trim", stream, "--max-age", "0ms", "--exact")).toMatchObject([{ removed: 10 }]);
  expect((await run("produce", stream, "a=1", "--max-age", "7d")).code).toBe(0);
  expect(await redis.xlen(stream)).toBe(51);
});
