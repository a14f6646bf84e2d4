import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";
import { drain } from "../support/worker.ts";

const odd = (prefix: string): Buffer => Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]);

describe("a group or consumer whose name is no UTF-8", () => {
  test("is shown by its bytes, and not mistaken for the one that has the replacement character", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "1-1", "a", "1");
    await redis.xgroup("CREATE", stream, odd("g"), "0");
    await redis.xgroup("CREATE", stream, "g\ufffd", "$");
    await redis.xgroup("CREATE", stream, "plain", "0");
    await redis.xreadgroup("GROUP", "plain", odd("c"), "STREAMS", stream, ">");
    const groups = ndjson((await cli(["lag", stream])).stdout);
    expect(new Set(groups.map(({ group }) => group))).toEqual(new Set(["g\\xff", "g\ufffd", "plain"]));
    const pending = await cli(["pending", stream, "-g", "plain", "--list"]);
    expect(ndjson(pending.stdout)).toMatchObject([{ consumer: "c\\xff" }]);
    const read = await cli(["consume", stream, "-g", "g\\xff"]);
    expect(read.code, "a name of four characters is another one").toBe(4);
  });
});

test("--env-fields leaves out a value that a variable can't hold as it is", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xadd(stream, "1-1", "binary", Buffer.from([0x61, 0xff]), "text", "ä");
  const { stdout } = await drain(stream, 'echo "${FIELD_BINARY-none} $FIELD_TEXT"', ["--env-fields"]);
  expect(stdout).toBe("none ä\n");
});
