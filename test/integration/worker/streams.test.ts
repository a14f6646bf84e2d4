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

  test.each([["1"], ["3"]])(
    "what was abandoned or is due in one stream keeps nothing waiting in the others, with -j %s",
    async (jobs) => {
      const redis = rawRedis();
      const [abandoned, behind, fresh] = [uniqueKey("abandoned"), uniqueKey("behind"), uniqueKey("fresh")];
      for (const [stream, count] of [
        [abandoned, 60],
        [behind, 4],
      ] as const) {
        await fill(redis, stream, count);
        await redis.xgroup("CREATE", stream, "g", "0");
        await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", count, "STREAMS", stream, ">");
      }
      await fill(redis, abandoned, 4);
      await fill(redis, fresh, 4);
      const command = 'echo "$STREAMCTL_STREAM $STREAMCTL_DELIVERIES"';
      await new Promise((resolve) => setTimeout(resolve, 150));
      const more = ["-j", jobs, "--claim-idle", "100ms", "--exec", command];
      const result = await cli(argv([abandoned, behind, fresh], ...more));
      const order = result.stdout.trim().split("\n");
      expect(order).toHaveLength(72);
      for (const late of [`${behind} 2`, `${fresh} 1`, `${abandoned} 1`])
        expect(order.lastIndexOf(late), late).toBeLessThan(50);
    },
  );

  test("with --order-by and one place, each stream gets its turn", async () => {
    const redis = rawRedis();
    const [long, short] = [uniqueKey("long"), uniqueKey("short")];
    await fill(redis, long, 60);
    await fill(redis, short, 5);
    for (const streams of [
      [long, short],
      [short, long],
    ]) {
      const group = streams.indexOf(short) === 0 ? "first" : "last";
      const more = ["-g", group, "--create-group", "--until-empty", "--order-by", "n"];
      const result = await cli(["consume", ...streams, ...more, "--exec", 'echo "$STREAMCTL_STREAM"']);
      const order = result.stdout.trim().split("\n");
      expect(order).toHaveLength(65);
      expect(order.lastIndexOf(short), group).toBeLessThan(40);
    }
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
