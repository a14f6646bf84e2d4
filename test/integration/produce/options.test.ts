import { describe, expect, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { entriesOf } from "./support.ts";

/** Redis 6.0 has neither MINID nor NOMKSTREAM: there the tests look for the refusal instead. */
async function serverIsOld(): Promise<boolean> {
  const key = uniqueKey("probe");
  const error = await rawRedis()
    .call("XADD", key, "NOMKSTREAM", "0-0", "f", "v")
    .catch((reply: unknown) => String(reply));
  return !String(error).includes("greater than 0-0");
}

describe("options that need Redis 6.2", () => {
  test("--max-age --exact trims what is older, by the server's clock", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    const [seconds] = await redis.time();
    const now = Number(seconds) * 1_000;
    await redis.xadd(key, `${now - 7_200_000}-1`, "n", "old");
    await redis.xadd(key, `${now - 1_800_000}-1`, "n", "recent");
    const { code, stderr } = await cli(["produce", key, "n=new", "--max-age", "1h", "--exact"]);
    const values = (await entriesOf(redis, key)).map((entry) => entry[2]);
    if (await serverIsOld()) {
      expect({ code, values }).toEqual({ code: 1, values: ["old", "recent"] });
      expect(stderr).toContain("this server can't do --max-age: it needs Redis 6.2 or later");
    } else expect({ code, stderr, values }).toEqual({ code: 0, stderr: "", values: ["recent", "new"] });
  });

  test("--no-create writes to a stream that is there, and does not make one", async () => {
    const redis = rawRedis();
    const [there, missing] = [uniqueKey(), uniqueKey()];
    await redis.xadd(there, "*", "n", "1");
    const existing = await cli(["produce", there, "n=2", "--no-create"]);
    const absent = await cli(["produce", missing, "--no-create"], { stdin: '{"n":"1"}\n{"n":"2"}\n' });
    expect(await redis.exists(missing)).toBe(0);
    if (await serverIsOld()) {
      expect([existing.code, absent.code]).toEqual([1, 1]);
      expect(existing.stderr).toContain("this server can't do --no-create");
      return;
    }
    expect(existing.code).toBe(0);
    expect(absent.code).toBe(4);
    expect(absent.stderr).toContain(`error: no such stream: ${missing}`);
    expect(absent.stderr.match(/no such stream/g)).toHaveLength(1);
  });
});
