import { expect, test } from "vitest";
import { NO_FENCE } from "../../../src/redis/ops/owned.ts";
import { PUT_OFF_CONSUMER, scheduleKeys } from "../../../src/redis/ops/schedule-keys.ts";
import { type Streams, streamsOf } from "../../../src/redis/ops/streams.ts";
import { entryId } from "../../support/ids.ts";
import { groupName, type StreamKey } from "../../../src/entry/names.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { userWith, workerRights } from "../../support/users.ts";
import { drain, fill, scratchDir, startWorker } from "../../support/worker.ts";

const G = groupName("g");
const MEMBER = { group: G, consumer: "c" };

/** A stream whose first entry consumer c has, delivered for the third time, and what a worker knows of Redis. */
async function delivered(): Promise<{ stream: StreamKey; id: string; streams: Streams }> {
  const stream = uniqueKey();
  const redis = rawRedis();
  const [id = ""] = await fill(redis, stream, 1);
  await redis.xgroup("CREATE", stream, "g", "0");
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
  await redis.xclaim(stream, "g", "c", 0, id, "RETRYCOUNT", 3, "JUSTID");
  return { stream, id, streams: streamsOf(await openConnection()) };
}

async function putOff(streams: Streams, stream: StreamKey, id: string, delayMs: number) {
  const keys = scheduleKeys(stream, false);
  if (!keys) throw new Error("no schedule");
  const claim = { id: entryId(id), fence: NO_FENCE };
  const owned = await streams.putOff(stream, MEMBER, keys, claim, {
    delayMs,
    reason: "later",
    deliveries: 2,
  });
  return { owned, keys };
}

async function pending(stream: string): Promise<[id: string, consumer: string, count: number][]> {
  const rows = (await rawRedis().xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
  return rows.map(([id, consumer, , count]) => [id, consumer, count]);
}

test("what was put off comes back to its group alone, with its ID and its deliveries", async () => {
  const { stream, id, streams } = await delivered();
  const redis = rawRedis();
  await redis.xgroup("CREATE", stream, "other", "$");
  const { owned, keys } = await putOff(streams, stream, id, 0);
  expect(owned).toBe("done");
  expect(await pending(stream)).toEqual([[id, PUT_OFF_CONSUMER, 2]]);
  expect(await streams.addDue(stream, keys)).toMatchObject({ added: 0, givenBack: 1, nextMs: undefined });
  expect(await redis.xlen(stream)).toBe(1);
  const run = await drain(stream, 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"');
  expect(run.stdout).toBe(`${id} 3\n`);
  const other = await cli(["consume", stream, "-g", "other", "--until-empty"]);
  expect(other.stdout).toBe("");
});

test("a repeat after a lost reply finds it put off, and schedules nothing twice", async () => {
  const { stream, id, streams } = await delivered();
  const { keys } = await putOff(streams, stream, id, 60_000);
  expect((await putOff(streams, stream, id, 60_000)).owned).toBe("done");
  expect(await rawRedis().zcard(keys.due)).toBe(1);
});

test("an entry that is not this worker's is not put off", async () => {
  const { stream, id, streams } = await delivered();
  await rawRedis().xclaim(stream, "g", "another", 0, id);
  const { owned, keys } = await putOff(streams, stream, id, 0);
  expect(owned).toBe("takenByOther");
  expect(await rawRedis().exists(keys.due, keys.records)).toBe(0);
});

test.each([
  ["in any order", []],
  ["by key", ["--order-by", "n"]],
])("no worker takes it before its time, %s, and trim keeps it", async (_, more) => {
  const { stream, id, streams } = await delivered();
  const redis = rawRedis();
  await putOff(streams, stream, id, 3_600_000);
  const [dead = ""] = await fill(redis, stream, 2).then((ids) => ids.slice(1));
  await redis.xreadgroup("GROUP", "g", "dead", "STREAMS", stream, ">");
  for (const [consumer, one] of [
    [PUT_OFF_CONSUMER, id],
    ["dead", dead],
  ] as const)
    await redis.xclaim(stream, "g", consumer, 0, one, "IDLE", 86_400_000, "JUSTID");
  // One sweep looks at both.
  const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', more);
  await until("it has taken what a dead worker had", () => worker.stdout.includes(dead));
  worker.signal("SIGTERM");
  expect((await worker.done).stdout).not.toContain(id);
  await cli(["trim", stream, "--maxlen", "0", "--exact", "-y"]);
  expect((await redis.xrange(stream, "-", "+", "COUNT", 1))[0]?.[0]).toBe(id);
});

test("one that was acked or claimed by hand meanwhile is let go when its time comes", async () => {
  const { stream, id, streams } = await delivered();
  const redis = rawRedis();
  const { keys } = await putOff(streams, stream, id, 0);
  await redis.xclaim(stream, "g", "another", 0, id, "JUSTID");
  expect(await streams.addDue(stream, keys)).toMatchObject({ givenBack: 0, void: 1, nextMs: undefined });
  expect(await pending(stream)).toEqual([[id, "another", 2]]);
  await redis.xgroup("DESTROY", stream, "g");
  await redis.xgroup("CREATE", stream, "g", "0");
  expect(await redis.exists(keys.due, keys.records)).toBe(0);
});

test("what was put off by a group that is gone does not hold up what comes after it", async () => {
  const { stream, id, streams } = await delivered();
  const { keys } = await putOff(streams, stream, id, 0);
  await rawRedis().xgroup("DESTROY", stream, "g");
  await cli(["produce", stream, "n=2", "--delay", "0"]);
  expect(await streams.addDue(stream, keys)).toMatchObject({ added: 1, void: 1, failure: undefined });
});

test.each([
  ["snooze", "snooze 2h not yet", 1],
  ["retry in", "retry in 2h not yet", 2],
])(
  "a long %s goes through the schedule, and is taken with its deliveries when it is due",
  async (_, word, deliveries) => {
    const stream = uniqueKey();
    const redis = rawRedis();
    const [id = ""] = await fill(redis, stream, 1);
    const dir = await scratchDir();
    const command = `echo "$STREAMCTL_DELIVERIES"; mkdir ${dir}/seen && echo ${word} >&3`;
    const worker = startWorker(stream, command);
    const [token = ""] = await until("it is scheduled", async () => {
      const tokens = await redis.zrange(`${stream}:scheduled`, "0", "-1");
      return tokens.length > 0 ? tokens : undefined;
    });
    expect(await pending(stream)).toEqual([[id, PUT_OFF_CONSUMER, deliveries - 1]]);
    await until("it says so", () => worker.stderr.includes("not yet"));
    expect(worker.stderr).not.toContain("is cut to");
    expect((await cli(["schedule", "list", stream, "-o", "ndjson"])).stdout).toContain('"reason":"not yet"');
    await redis.zadd(`${stream}:scheduled`, 1, token);
    await until("it has run again", () => worker.stdout === `1\n${deliveries}\n`);
    await until("it is acked", async () => (await pending(stream)).length === 0);
    expect(await redis.exists(`${stream}:scheduled`, `${stream}:scheduled:entries`)).toBe(0);
  },
);

test("with --order-by the key of an entry that was put off waits", async () => {
  const stream = uniqueKey();
  const redis = rawRedis();
  const dir = await scratchDir();
  for (const n of ["1", "2"]) await redis.xadd(stream, "*", "key", "a", "n", n);
  const command = `echo "$FIELD_N"; mkdir ${dir}/seen 2>/dev/null && echo snooze 2h >&3; true`;
  const worker = startWorker(stream, command, ["--order-by", "key", "--env-fields"]);
  const due = `${stream}:scheduled`;
  await until("it is scheduled", async () => (await redis.exists(due)) === 1);
  await redis.xadd(stream, "*", "key", "b", "n", "3");
  await until("another key goes on", () => worker.stdout.includes("3"));
  expect(worker.stdout).toBe("1\n3\n");
  const [token = ""] = await redis.zrange(due, "0", "-1");
  await redis.zadd(due, 1, token);
  await until("its key goes on", () => worker.stdout === "1\n3\n1\n2\n");
});

test("without the right to the schedule a long snooze is cut, and the entry comes all the same", async () => {
  const stream = uniqueKey();
  const redis = rawRedis();
  await fill(redis, stream, 1);
  const dir = await scratchDir();
  const rules = [`~${stream}`, `~${stream}:dlq`, `~${stream}:held:*`, ...(await workerRights(redis))];
  const { url } = await userWith(redis, rules);
  const run = await drain(stream, `mkdir ${dir}/seen && echo snooze 2h >&3; true`, [], { url });
  expect(run.stderr).toContain("a snooze of 2h is cut to 400ms");
  expect(run.stderr).toContain("1 ok, 0 dead-lettered, 0 retried, 1 snoozed");
});
