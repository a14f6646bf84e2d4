import { writeFile } from "node:fs/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, drain, fill, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

describe("--emit", () => {
  test("each line printed becomes an entry: a JSON object by its keys, anything else as payload", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const print = `echo '{"b":"1","a":1.10,"a":{"x": [1, 2]}}'; echo; echo 'plain "text"'; echo '{}'; printf '[1]'`;
    const result = await drain(stream, print, ["--emit", `${stream}:out`]);
    expect(result.stdout).toBe("");
    expect((await redis.xrange(`${stream}:out`, "-", "+")).map(([, fields]) => fields)).toEqual([
      ["b", "1", "a", "1.10", "a", '{"x": [1, 2]}'],
      ["payload", 'plain "text"'],
      ["payload", "{}"],
      ["payload", "[1]"],
    ]);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a failed run puts nothing out", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await drain(stream, 'echo "try $STREAMCTL_DELIVERIES"; test "$STREAMCTL_DELIVERIES" = 2', [
      "--emit",
      `${stream}:out`,
    ]);
    expect((await redis.xrange(`${stream}:out`, "-", "+")).map(([, fields]) => fields)).toEqual([
      ["payload", "try 2"],
    ]);
  });

  test("output that can't be written fails the whole step: no ack, no marker, nothing put out", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    await redis.set(`${stream}:out`, "a string");
    const result = await drain(stream, "echo x", ["--emit", `${stream}:out`, "--dedupe", "n"]);
    expect(result.code).toBe(1);
    expect(await pendingIn(redis, stream)).toBe(1);
    expect(await redis.exists(`${stream}:done:g:0`)).toBe(0);
  });

  test("a lost reply does not put anything out twice", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    onTestFinished(() => proxy.close());
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const more = ["--claim-idle", "60s", "--emit", `${stream}:out`];
    const gate = await closedGate();
    const command = `echo started >&2; ${gate.wait}; echo once`;
    const worker = startWorker(stream, command, more, { url: proxy.url });
    await until("the handler runs", () => worker.stderr.includes("started"));
    const lost = proxy.loseReplyTo("EVALSHA");
    await gate.open();
    await lost;
    await until("it is settled", async () => (await pendingIn(redis, stream)) === 0);
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("1 ok");
    expect(await redis.xlen(`${stream}:out`)).toBe(1);
  });

  test("across slots of a cluster: output, then ack, and no marker stays", async () => {
    const cluster = await TestCluster.start();
    onTestFinished(() => cluster.stop());
    const stream = "{a}in";
    const options = { url: cluster.url, env: { STREAMCTL_CLUSTER: "1" } };
    for (let n = 0; n < 3; n++)
      expect(await cli(["produce", stream, `n=${n}`], options)).toMatchObject({ code: 0 });
    const result = await drain(
      stream,
      "echo out; test $STREAMCTL_DELIVERIES = 2",
      ["--emit", "{b}out"],
      options,
    );
    expect(result.stderr).toContain("3 ok");
    const out = await cli(["consume", "{b}out"], options);
    expect(out.stdout.trim().split("\n")).toHaveLength(3);
  });
});

describe("--dedupe", () => {
  test("an entry whose key has succeeded is acked without a run; one that failed is not remembered", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const key of ["a", "b", "a", "a", "b"]) await redis.xadd(stream, "*", "key", key);
    await redis.xadd(stream, "*", "other", "x");
    const command =
      'read l; echo "$l" | grep -o \'"key":"[ab]"\'; case $l in *:\\"b\\"*) exit 65;; esac; exit 0';
    const result = await drain(stream, command, ["--dedupe", "key"]);
    expect(result.stdout.trim().split("\n")).toEqual(['"key":"a"', '"key":"b"', '"key":"b"']);
    expect(result.stderr).toContain("2 ok, 2 dead-lettered, 0 retried, 2 duplicates");
    expect(await redis.xlen(`${stream}:dlq`)).toBe(2);
  });

  test("a key is remembered for --dedupe-ttl, whatever bytes it has", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const key = Buffer.from([0, 255, 32, 123]);
    await redis.xadd(stream, "*", "key", key);
    await drain(stream, "exit 0", ["--dedupe", "key", "--dedupe-ttl", "1h"]);
    const [marker = ""] = await redis.keys(`${stream}:done:g:sha256-*`);
    expect(await redis.pttl(marker)).toBeGreaterThan(3_500_000);
    await redis.xadd(stream, "*", "key", key);
    expect((await drain(stream, "echo ran", ["--dedupe", "key"])).stdout).toBe("");
  });

  test("two runs of one key at once put out one result", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (let n = 0; n < 4; n++) await redis.xadd(stream, "*", "key", "same");
    await drain(stream, "sleep 0.3; echo out", ["-j", "4", "--dedupe", "key", "--emit", `${stream}:out`]);
    expect(await redis.xlen(`${stream}:out`)).toBe(1);
    expect(await pendingIn(redis, stream)).toBe(0);
  });
});

describe("--rate", () => {
  test("is kept over all places of the worker", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 12);
    const started = Date.now();
    await drain(stream, "exit 0", ["-j", "4", "--rate", "10/s"]);
    // Never faster than asked for; how much slower depends on the machine.
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_000);
  });
});

describe("--pause-after", () => {
  test("an outage behind the handler does not fill the dead-letter queue, and ends by a probe", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 20);
    const dir = await scratchDir();
    const worker = startWorker(stream, `test -e ${dir}/up`, [
      "--pause-after",
      "3",
      "--max-deliveries",
      "3",
      "-j",
      "2",
    ]);
    await until("it pauses", () => worker.stderr.includes("paused after"));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const read = (await redis.xinfo("GROUPS", stream)) as unknown[][];
    expect(Number(read[0]?.[5])).toBeLessThanOrEqual(8);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    await writeFile(`${dir}/up`, "");
    await until("all is done", async () => {
      const [group] = (await redis.xinfo("GROUPS", stream)) as unknown[][];
      return group?.[5] === 0 && group[7] === (await redis.xrevrange(stream, "+", "-", "COUNT", 1))[0]?.[0];
    });
    expect(worker.stderr).toContain("the probe succeeded: going on");
    expect(worker.stderr.match(/paused after/g)).toHaveLength(1);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
  });

  test("bad entries in a row are no outage", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 6);
    const result = await drain(stream, "exit 65", ["--pause-after", "2"]);
    expect(result.stderr).not.toContain("paused");
    expect(await redis.xlen(`${stream}:dlq`)).toBe(6);
  });
});
