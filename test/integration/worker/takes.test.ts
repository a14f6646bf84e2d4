import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { now } from "../../../src/lib/instant.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { entryId } from "../../support/ids.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { rolesFor, settingsFor } from "../../support/roles.ts";
import { userWith, workerRights } from "../../support/users.ts";
import {
  closedGate,
  drain,
  fill,
  type Gate,
  pendingIn,
  scratchDir,
  startWorker,
} from "../../support/worker.ts";

const SLOW_BEAT = ["--claim-idle", "60s", "--retry-delay", "100ms", "--retry-max-delay", "100ms"];

/** An entry of a worker that is dead, taken from it and given up: its take, the fourth, is remembered. */
async function givenUp(
  redis: Redis,
  stream: string,
  again: string,
  gate: Gate,
): Promise<{ id: string; worker: ReturnType<typeof startWorker> }> {
  const [id = ""] = await fill(redis, stream, 1);
  await redis.xgroup("CREATE", stream, "g", "0");
  await redis.xreadgroup("GROUP", "g", "ghost", "STREAMS", stream, ">");
  await redis.call("XCLAIM", stream, "g", "ghost", "0", id, "IDLE", "600000", "RETRYCOUNT", "3");
  const worker = startWorker(
    stream,
    `echo "start $STREAMCTL_DELIVERIES"; test -e ${again} || exit 65
    test "$STREAMCTL_DELIVERIES" -gt 1 || { ${gate.wait}; exit 1; }`,
    SLOW_BEAT,
  );
  await until("it was taken", () => worker.stdout.includes("start 4"));
  await until("and dead-lettered", async () => (await pendingIn(redis, stream)) === 0);
  await writeFile(again, "");
  // What the worker gets next it has not asked for before that: a read waits for a second.
  await sleep(1_100);
  return { id, worker };
}

describe("an entry that was taken before, and begins to count anew, is not lost with a destroyed group:", () => {
  test.each<[string, (redis: Redis, stream: string) => Promise<unknown>]>([
    ["it was replayed", (_, stream) => cli(["dlq", "replay", stream, "--all", "--yes"])],
    ["its group was set back", (redis, stream) => redis.xgroup("SETID", stream, "g", "0")],
  ])("%s", async (_, begin) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const gate = await closedGate();
    const { worker } = await givenUp(redis, stream, `${await scratchDir()}/again`, gate);
    await begin(redis, stream);
    await until("it runs again", () => worker.stdout.includes("start 1"));
    await redis.xgroup("DESTROY", stream, "g");
    await gate.open();
    await until("it is retried", () => worker.stdout.includes("start 2"));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });
});

test("an entry that is dead-lettered without a run is held by the count that it has in Redis: its own take is no other's", async () => {
  const stream = uniqueKey();
  const { inFlight, ordering } = await rolesFor(settingsFor(stream, {}));
  const delivery = { stream, entry: { id: entryId("1-1"), fields: [] }, deliveries: 5, fence: 6 };
  inFlight.hold(delivery, now(), performance.now());
  expect(ordering.held(stream).map(({ deliveries }) => deliveries)).toEqual([6]);
});

test("a user who may not remove fields works without holders, also where takes are noted there", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const held = `${stream}:held:g`;
  const rights = [...(await workerRights(redis)), "+@hash", "-hdel", "+del", "+pexpire", "+persist", "+time"];
  const { url } = await userWith(redis, [`~${stream}`, `~${stream}:dlq`, `~${held}`, ...rights]);
  const [id = ""] = await fill(redis, stream, 1);
  await redis.hset(held, { takes: 1, "take 1": `${id}/2/1`, last: "0-1" });
  const { code, stderr } = await drain(stream, "true", [], { url });
  expect(stderr).toContain("1 ok");
  expect(code).toBe(0);
});

test("a key of another type in the place of the holders is named, and not the stream", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  await redis.set(`${stream}:held:g`, "another's");
  const { code, stderr } = await drain(stream, "true");
  expect(code).toBe(1);
  expect(stderr).toContain(`error: ${stream}:held:g is not a hash`);
  expect(stderr).not.toContain("not a stream");
});

test("more takes than are remembered prove nothing: what was silent passes for settled, what was not is held again", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const held = `${stream}:held:g`;
  const [id = ""] = await fill(redis, stream, 1);
  await redis.xgroup("CREATE", stream, "g", "$");
  const { streams } = await rolesFor(settingsFor(stream, {}));
  const now = Date.now();
  const fields = Array.from({ length: 1_000 }, (_, at) => [`take ${at}`, `1-1/1/${now}`]).flat();
  await redis.hset(held, "takes", "1000", ...fields);
  const silent = (silentMs: number) => [{ id: entryId(id), idleMs: 0, deliveries: 1, silentMs }];
  expect(await streams.takenSince(held, silent(60_000))).toEqual(["untaken"]);
  await redis.hincrby(held, "takes", 1);
  expect(await streams.takenSince(held, silent(60_000))).toEqual(["forgotten"]);
  const member = { ...settingsFor(stream, {}), holders: () => held };
  await streams.restoreGroup(stream, member, undefined, silent(60_000));
  expect(await pendingIn(redis, stream)).toBe(0);
  await streams.restoreGroup(stream, member, undefined, silent(0));
  expect(await pendingIn(redis, stream)).toBe(1);
});

test.each(["more takes were noted meanwhile than are remembered", "its user has no right to the holders"])(
  "a dead letter is not lost with a consumer that is deleted while its command runs, where %s",
  async (where) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const rights = [`~${stream}`, `~${stream}:dlq`, ...(await workerRights(redis))];
    const { url } = where.startsWith("more") ? {} : await userWith(redis, rights);
    await fill(redis, stream, 1);
    const gate = await closedGate();
    const handler = `echo begun >&2; ${gate.wait}; exit 65`;
    const worker = startWorker(stream, handler, ["--claim-idle", "60s"], url === undefined ? {} : { url });
    await until("the command runs", () => worker.stderr.includes("begun"));
    if (url === undefined) {
      const now = Date.now() + 60_000;
      const fields = Array.from({ length: 1_000 }, (_, at) => [`take ${at}`, `1-1/1/${now}`]).flat();
      await redis.hset(`${stream}:held:g`, "takes", "5000", ...fields);
    }
    for (const [, name] of (await redis.xinfo("CONSUMERS", stream, "g")) as string[][])
      await redis.xgroup("DELCONSUMER", stream, "g", name as string);
    await gate.open();
    await until("its dead letter is there", async () => (await redis.xlen(`${stream}:dlq`)) === 1);
    expect(await pendingIn(redis, stream)).toBe(0);
  },
);
