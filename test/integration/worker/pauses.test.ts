import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { nextInOrderScript } from "../../../src/redis/ops/order.ts";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { fill, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

async function runsIn(dir: string): Promise<string[]> {
  const text = await readFile(`${dir}/runs`, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

/** A worker behind the proxy that stands still sees no more of Redis than one whose process was stopped. */
describe("after a pause longer than --claim-idle", () => {
  test("an entry that another worker has run meanwhile is not run: its delivery was on the way", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const command = `echo "$STREAMCTL_ID" >> ${dir}/runs`;
    startWorker(stream, command, [], { url: proxy.url });
    await until("the group is there", () => redis.exists(stream));
    await proxy.holdReplyTo("XREADGROUP");
    const [id] = await fill(redis, stream, 1);
    await until("it is delivered", async () => (await pendingIn(redis, stream)) === 1);
    const other = startWorker(stream, command);
    await until("another has run it", async () => (await runsIn(dir)).length === 1);
    await until("and acked it", async () => (await pendingIn(redis, stream)) === 0);
    other.signal("SIGTERM");
    await other.done;
    proxy.release();
    const [later] = await fill(redis, stream, 1);
    await until("the first one goes on", async () => (await runsIn(dir)).includes(later as string));
    expect(await runsIn(dir)).toEqual([id, later]);
  });

  test("--order-by: the next of a key is not begun, when another worker has gone on with the key", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    const dir = await scratchDir();
    for (let n = 1; n <= 4; n++) await redis.xadd(stream, "*", "key", "a", "n", String(n));
    const ordered = ["--order-by", "key", "--env-fields", "-j", "2"];
    const command = `echo "$FIELD_N" >> ${dir}/runs; sleep 0.1`;
    // A server that knows the script answers with what it did, and not that it must be sent whole.
    await redis.script("LOAD", nextInOrderScript.lua);
    const held = proxy.holdReplyTo(nextInOrderScript.sha);
    const paused = startWorker(stream, command, ordered, { url: proxy.url });
    await held;
    startWorker(stream, command, ordered);
    await until("another has run the rest", async () => (await runsIn(dir)).length >= 4);
    await until("and acked it", async () => (await pendingIn(redis, stream)) === 0);
    proxy.release();
    await until("it is noticed", async () => {
      return paused.stderr.includes("it is not run here") || (await runsIn(dir)).length > 4;
    });
    expect(await runsIn(dir)).toEqual(["1", "2", "3", "4"]);
  });

  test("a verdict of a run that another process of the same --consumer has repeated counts for nothing", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const name = ["--consumer", "twin"];
    const paused = startWorker(stream, "echo started; sleep 1; exit 65", name, { url: proxy.url });
    await until("its handler runs", () => paused.stdout.includes("started"));
    proxy.hold();
    const other = startWorker(stream, "echo started; sleep 2.5", name);
    await until("the other has it", () => other.stdout.includes("started"));
    proxy.release();
    await until("it is told", () => paused.stderr.includes("its dead letter was dropped"));
    await until("the other acks it", async () => (await pendingIn(redis, stream)) === 0);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
  });
});
