import { describe, expect, onTestFinished, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis } from "../../support/redis.ts";
import { fill, pendingIn } from "../../support/worker.ts";

function argv(streams: readonly string[], ...more: string[]): string[] {
  return ["consume", ...streams, "-g", "g", "--create-group", "--until-empty", ...more];
}

describe("one worker on several streams", () => {
  test("makes a group on each, and dead-letters each entry to its own stream's queue", async () => {
    const redis = rawRedis();
    const [one, two, empty] = [uniqueKey(), uniqueKey(), uniqueKey()];
    await fill(redis, one, 3);
    await fill(redis, two, 3);
    const result = await cli(
      argv([one, two, empty], "-j", "2", "--exec", 'test "$STREAMCTL_STREAM" = "$0" || exit 65'),
    );
    expect(result.code).toBe(0);
    for (const stream of [one, two]) {
      expect(await redis.xlen(`${stream}:dlq`)).toBe(3);
      expect(await pendingIn(redis, stream)).toBe(0);
    }
    expect(await redis.xinfo("GROUPS", empty)).toHaveLength(1);
  });

  test("--until-empty looks at every stream, also with fewer places than streams", async () => {
    const redis = rawRedis();
    const streams = [uniqueKey(), uniqueKey(), uniqueKey()];
    await fill(redis, streams[2] as string, 10);
    const result = await cli(argv(streams, "-j", "1", "--exec", "echo handled"));
    expect(result.stdout).toBe("handled\n".repeat(10));
  });

  test.each([
    ["more places than streams", "4"],
    ["fewer places than streams", "1"],
  ])("is fair: a long stream does not keep a short one waiting, with %s", async (_, jobs) => {
    const redis = rawRedis();
    const [long, short, other] = [uniqueKey("long"), uniqueKey("short"), uniqueKey("other")];
    await fill(redis, long, 120);
    await fill(redis, short, 5);
    await fill(redis, other, 5);
    const result = await cli(argv([long, short, other], "-j", jobs, "--exec", 'echo "$STREAMCTL_STREAM"'));
    const order = result.stdout.trim().split("\n");
    expect(order).toHaveLength(130);
    expect(order.lastIndexOf(short)).toBeLessThan(60);
    expect(order.lastIndexOf(other)).toBeLessThan(60);
  });

  test("in a cluster the streams may lie on different nodes", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const options = { url: cluster.url, env: { STREAMCTL_CLUSTER: "1" } };
    const streams = ["{a}s", "{b}s", "{c}s"];
    const lines = "n\n".repeat(5);
    for (const stream of streams) {
      const produced = await cli(["produce", stream, "--input", "lines", "--field", "n"], {
        ...options,
        stdin: lines,
      });
      expect(produced.code).toBe(0);
    }
    const result = await cli(argv(streams, "-j", "2", "--exec", 'echo "$STREAMCTL_STREAM"'), options);
    expect(result.code).toBe(0);
    const handled = result.stdout.trim().split("\n");
    for (const stream of streams) expect(handled.filter((name) => name === stream)).toHaveLength(5);
  });
});
