import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { nextInOrderScript } from "../../../src/redis/ops/order.ts";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, fill, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

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
    const gate = await closedGate();
    const command = `echo started; ${gate.wait}; exit 65`;
    const paused = startWorker(stream, command, name, { url: proxy.url });
    await until("its handler runs", () => paused.stdout.includes("started"));
    proxy.hold();
    const end = await closedGate();
    const other = startWorker(stream, `echo started; ${end.wait}`, name);
    await until("the other has it", () => other.stdout.includes("started"));
    await gate.open();
    proxy.release();
    await until("it is told", () => paused.stderr.includes("its dead letter was dropped"));
    await end.open();
    await until("the other acks it", async () => (await pendingIn(redis, stream)) === 0);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
  });

  test("--persistent: what was written ahead to a process that hung is not begun in another", async () => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    const dir = await scratchDir();
    // Fast answers first, so that some are written ahead.
    for (let n = 0; n < 40; n++) await redis.xadd(stream, "*", "n", String(n));
    const command = `while read -r l; do n=\${l#*'"n":"'}; n=\${n%%'"'*}; echo $n >> ${dir}/runs
      [ $n != hang ] || [ -e ${dir}/hung ] || { echo $$ > ${dir}/hung; sleep 600; }; echo ok; done`;
    const persistent = ["--persistent", "--ahead", "8"];
    const argv = [...persistent, "--timeout", "4s", "--kill-after", "100ms"];
    const paused = startWorker(stream, command, argv, { url: proxy.url });
    await until("it is fast", async () => (await runsIn(dir)).length === 40);
    await until("and idle", async () => (await pendingIn(redis, stream)) === 0);
    const pipeline = redis.multi();
    for (const n of ["hang", "a", "b", "c"]) pipeline.xadd(stream, "*", "n", n);
    await pipeline.exec();
    await until("one hangs", () => existsSync(`${dir}/hung`));
    await until("the others are written behind it", async () => (await pendingIn(redis, stream)) > 1);
    proxy.hold();
    const ahead = (await pendingIn(redis, stream)) - 1;
    startWorker(stream, command, persistent);
    await until("another has run them", async () => (await runsIn(dir)).length >= 45);
    await until("and acked them", async () => (await pendingIn(redis, stream)) === 0);
    const pid = (await readFile(`${dir}/hung`, "utf8")).trim();
    await until("the hung one has had its time", () => !existsSync(`/proc/${pid}`));
    proxy.release();
    await until("all are told of", () => (paused.stderr.match(/ was dropped$/gm)?.length ?? 0) > ahead);
    expect((await runsIn(dir)).slice(40).sort()).toEqual(["a", "b", "c", "hang", "hang"]);
  });
});
