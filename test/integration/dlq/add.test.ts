import { describe, expect, onTestFinished, test } from "vitest";
import { Cluster } from "ioredis";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, deadLetters, fill, pendingIn, startWorker } from "../../support/worker.ts";

const on = (stream: string, ...more: string[]): string[] => ["dlq", "add", stream, "-g", "g", ...more];

describe("dlq add", () => {
  test("writes the letter that a worker would have written, and settles the entry in the same step", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = (await fill(redis, stream, 3)) as [string, string, string];
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 3, "STREAMS", stream, ">");
    await redis.xclaim(stream, "g", "c", 0, ids[1], "RETRYCOUNT", 4, "JUSTID");
    const dry = await cli(on(stream, ids[1], "--dry-run"));
    expect(ndjson(dry.stdout)).toMatchObject([
      { id: ids[1], consumer: "c", deliveries: 4, dlq: `${stream}:dlq` },
    ]);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    const result = await cli(on(stream, ids[1], ids[0], "--reason", "customer is gone", "-y"));
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain(`dead-lettered 2 in ${stream}:dlq`);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      {
        n: "1",
        "dlq.stream": stream,
        "dlq.id": ids[1],
        "dlq.group": "g",
        "dlq.consumer": "c",
        "dlq.deliveries": "4",
        "dlq.reason": "customer is gone",
        "dlq.stderr": "",
        "dlq.replays": "0",
      },
      { n: "0", "dlq.deliveries": "1" },
    ]);
    expect(await pendingIn(redis, stream)).toBe(1);
    // The letter is one as any other: it goes back to the group that gave it up.
    expect(await cli(["dlq", "replay", stream, "--all", "-y"])).toMatchObject({ code: 0 });
    expect(await pendingIn(redis, stream)).toBe(3);
  });

  test("asks, and refuses where it can't; IDs that are not pending or have no data stay and are told of", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = "", gone = ""] = await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
    await redis.xdel(stream, gone);
    expect(await cli(on(stream, id))).toMatchObject({ code: 2 });
    expect(await pendingIn(redis, stream)).toBe(2);
    const result = await cli(on(stream, id, gone, "9-9", "-y"));
    expect(result).toMatchObject({ code: 5 });
    expect(result.stderr).toContain(`${gone} has no data any more`);
    expect(result.stderr).toContain("9-9 is not pending");
    expect(await redis.xlen(`${stream}:dlq`)).toBe(1);
    expect(await cli(on(stream, id, "-y"))).toMatchObject({ code: 4 });
  });

  test("of an entry that a worker runs: its verdict is dropped, and there is one letter", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo run; ${gate.wait}; exit 65`, ["--claim-idle", "60s"]);
    await until("it runs", () => worker.stdout === "run\n");
    expect(await cli(on(stream, id, "--reason", "by hand", "-y"))).toMatchObject({ code: 0 });
    await gate.open();
    await until("its verdict is dropped", () => worker.stderr.includes("its dead letter was dropped"));
    expect((await deadLetters(redis, `${stream}:dlq`)).map((letter) => letter["dlq.reason"])).toEqual([
      "by hand",
    ]);
  });

  test("in a cluster, to a queue in another slot", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const redis = new Cluster([cluster.url]);
    onTestFinished(() => redis.disconnect());
    const id = (await redis.xadd("{a}s", "*", "n", "1")) as string;
    await redis.xgroup("CREATE", "{a}s", "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", "{a}s", ">");
    const argv = on("{a}s", id, "--dlq", "{b}dead", "-y", "--cluster");
    expect(await cli(argv, { url: cluster.url })).toMatchObject({ code: 0 });
    expect(await redis.xlen("{b}dead")).toBe(1);
    expect(((await redis.xpending("{a}s", "g")) as [number])[0]).toBe(0);
    expect(await cli(argv, { url: cluster.url })).toMatchObject({ code: 4 });
    expect(await redis.xlen("{b}dead")).toBe(1);
  });
});
