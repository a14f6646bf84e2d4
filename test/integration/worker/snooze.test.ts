import { writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { deadLetters, drain, fill, pendingIn, scratchDir, startWorker } from "../../support/worker.ts";

/** Snoozes what it gets the first time, as long as the folder is not there, and tells of every run. */
function snoozingOnce(dir: string, duration: string): string {
  return `echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"; mkdir ${dir}/seen-$STREAMCTL_ID && echo snooze ${duration} not open yet >&3 || true`;
}

/** Delivery count and owner of an entry. */
async function pendingRow(redis: ReturnType<typeof rawRedis>, stream: string, id: string) {
  const [row] = (await redis.xpending(stream, "g", id, id, 1)) as [string, string, number, number][];
  return row && { owner: row[1], deliveries: row[3] };
}

describe("an entry that its handler snoozes", () => {
  test("comes again later, as if it had not been delivered: another worker's run is its first, too", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const [id = ""] = await fill(redis, stream, 1);
    const long = ["--claim-idle", "10m"];
    const worker = startWorker(stream, snoozingOnce(dir, "4s"), long);
    await until("it is snoozed", () => worker.stderr.includes("snoozed (not open yet): again in 4"));
    worker.signal("SIGTERM");
    expect(await pendingRow(redis, stream, id)).toMatchObject({ deliveries: 0 });
    expect(await worker.done).toMatchObject({ code: 0 });
    expect(worker.stderr).toContain("0 ok, 0 dead-lettered, 0 retried, 1 snoozed");
    const again = await drain(stream, snoozingOnce(dir, "4s"), [...long, "--max-deliveries", "1"]);
    expect(again.stdout).toBe(`${id} 1\n`);
    expect(again.stderr).toContain("1 ok");
  });

  test("keeps the deliveries that failed before it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const handler = `n=$(ls ${dir} | wc -l); mkdir ${dir}/$n; echo "$STREAMCTL_DELIVERIES"; case $n in 0) exit 1;; 1|2) echo snooze 30ms >&3;; *) exit 2;; esac`;
    const { stdout } = await drain(stream, handler, ["--max-deliveries", "3"]);
    expect(stdout).toBe("1\n2\n2\n2\n3\n");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.deliveries": "3" }]);
  });

  test("--order-by: keeps its key waiting, and no other", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    for (const [key, n] of [
      ["a", 1],
      ["a", 2],
      ["b", 3],
    ] as const)
      await redis.xadd(stream, "*", "key", key, "n", String(n));
    const handler = `echo "$FIELD_N"; [ "$FIELD_N" = 1 ] && mkdir ${dir}/seen && echo snooze 3s >&3; true`;
    const { stdout } = await drain(stream, handler, ["--order-by", "key", "--env-fields", "-j", "2"]);
    const lines = stdout.trim().split("\n");
    expect(lines.filter((n) => n !== "3")).toEqual(["1", "1", "2"]);
    expect(lines.indexOf("3")).toBeLessThan(lines.lastIndexOf("1"));
  });

  test("waits for its time also where a worker with a name of its own is started again", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const [id = ""] = await fill(redis, stream, 1);
    const twin = ["--consumer", "twin", "--claim-idle", "10m"];
    const first = startWorker(stream, snoozingOnce(dir, "9m"), twin);
    await until("it is snoozed", () => first.stderr.includes("snoozed"));
    first.signal("SIGTERM");
    await first.done;
    const [next = ""] = await fill(redis, stream, 1);
    const second = startWorker(stream, "cat > /dev/null; echo $STREAMCTL_ID", twin);
    await until("it has gone on", () => second.stdout.includes(next));
    await fill(redis, stream, 5);
    await until("it has done the rest", async () => (await pendingIn(redis, stream)) === 1);
    expect(second.stdout).not.toContain(id);
    expect(second.stderr).not.toContain("going on with what an earlier run");
  });

  test("is dead-lettered when its data has gone from the stream: it can't come again", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 1);
    const handler = `touch ${dir}/runs; until [ -e ${dir}/go ]; do sleep 0.01; done; echo snooze 1m >&3`;
    const worker = startWorker(stream, handler, ["--claim-idle", "300ms"]);
    await until("it runs", async () => (await pendingIn(redis, stream).catch(() => 0)) === 1);
    await redis.xtrim(stream, "MAXLEN", 0);
    await until("the worker has noticed", async () => (await redis.xlen(stream)) === 0);
    await writeFile(`${dir}/go`, "");
    await until("it is a dead letter", async () => (await redis.exists(`${stream}:dlq`)) === 1);
    const [letter] = await deadLetters(redis, `${stream}:dlq`);
    expect(letter?.["dlq.reason"]).toContain("no snooze: its data has gone from the stream");
    worker.signal("SIGTERM");
  });
});
