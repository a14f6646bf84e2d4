import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { InFlightEntry } from "../../../src/engine/worker/in-flight.ts";
import type { StreamKey } from "../../../src/entry/names.ts";
import { now } from "../../../src/lib/instant.ts";
import type { Streams } from "../../../src/redis/ops/streams.ts";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { rolesFor, settingsFor, type TestRoles } from "../../support/roles.ts";
import { losing } from "../../support/streams.ts";
import { deadLetters, fill, pendingIn } from "../../support/worker.ts";
import { entryId } from "../../support/ids.ts";

/** Entries of this worker that wait for a slot. */
async function waitingFor(
  { inFlight, runner }: TestRoles,
  stream: StreamKey,
  count: number,
): Promise<InFlightEntry[]> {
  const redis = rawRedis();
  await fill(redis, stream, count);
  const askedAt = now();
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
  const rows = await redis.xrange(stream, "-", "+");
  return rows.slice(-count).map(([id]) => {
    const delivery = { stream, entry: { id: entryId(id), fields: [] }, deliveries: 1 };
    const entry = inFlight.hold(delivery, askedAt, performance.now());
    runner.waiting.add(entry);
    return entry;
  });
}

/** Entries that another consumer has read, and had for so long. */
async function heldByDead(stream: string, count: number, idleMs: number, deliveries = 1): Promise<string[]> {
  const redis = rawRedis();
  const ids = await fill(redis, stream, count);
  await redis.xgroup("CREATE", stream, "g", "0");
  await redis.xreadgroup("GROUP", "g", "dead", "STREAMS", stream, ">");
  for (const id of ids)
    await redis.xclaim(stream, "g", "dead", 0, id, "IDLE", idleMs, "RETRYCOUNT", deliveries, "JUSTID");
  return ids;
}

describe("dispatch:", () => {
  test("no more is taken than --count still wants, what is in flight included", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 3);
    const settings = settingsFor(stream, { ends: { untilEmpty: false, count: 2 } });
    const { dispatcher, inFlight, turn } = await rolesFor(settings);
    expect(dispatcher.places()).toBe(2);
    const delivery = { stream, entry: { id: entryId("1-1"), fields: [] }, deliveries: 1 };
    const entry = inFlight.hold(delivery, now(), performance.now());
    expect(dispatcher.places()).toBe(1);
    inFlight.settles(entry);
    inFlight.settled(entry);
    await turn();
    expect(dispatcher.places()).toBe("finished");
  });

  test("retries and take-overs and new entries take turns at being first", async () => {
    const stream = uniqueKey();
    const old = await heldByDead(stream, 1, 120_000);
    const fresh = await fill(rawRedis(), stream, 1);
    const { turn, runs } = await rolesFor(settingsFor(stream, {}));
    await turn();
    await turn();
    expect(runs.map(({ entry }) => entry.id)).toEqual([...old, ...fresh]);
  });

  test("a duplicate is acked without a run", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 1);
    const { turn, runs, ends } = await rolesFor(
      settingsFor(stream, { dedupe: { field: "n", ttlMs: 60_000 } }),
    );
    await turn();
    const again = (await redis.xadd(stream, "*", "n", "0")) as string;
    await turn();
    expect(runs.map(({ entry }) => entry.id)).toEqual(ids);
    expect(ends).toEqual([`${ids[0]} ack`, `${again} duplicate`]);
  });

  test("what was delivered too often is dead-lettered without a run, with the deliveries that it had", async () => {
    const stream = uniqueKey();
    await heldByDead(stream, 1, 120_000, 5);
    const { turn, runs } = await rolesFor(settingsFor(stream, {}));
    await turn();
    expect(runs).toEqual([]);
    expect(await deadLetters(rawRedis(), `${stream}:dlq`)).toMatchObject([{ "dlq.deliveries": "5" }]);
  });

  test("what comes after the stop is handed back uncounted", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const { turn, end, runs } = await rolesFor(settingsFor(stream, {}));
    end();
    await turn();
    expect(runs).toEqual([]);
    const [row] = (await redis.xpending(stream, "g", "-", "+", 1)) as [string, string, number, number][];
    expect([row?.[0], row?.[3]]).toEqual([id, 0]);
  });

  test("an entry that two steps bring runs once", async () => {
    const stream = uniqueKey();
    const redis = rawRedis();
    const [id = ""] = await fill(redis, stream, 1);
    const { dispatcher, inFlight, runs } = await rolesFor(settingsFor(stream, {}));
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
    const delivery = { stream, entry: { id: entryId(id), fields: [] }, deliveries: 1 };
    const askedAt = now();
    await dispatcher.admit([delivery], askedAt);
    await dispatcher.admit([delivery], askedAt);
    await until("it is settled", () => inFlight.count === 0);
    await dispatcher.admit([delivery], askedAt);
    expect(runs).toHaveLength(1);
    expect(inFlight.count).toBe(0);
  });
});

describe("recover:", () => {
  test("what a dead worker had is taken once it has been idle for --claim-idle, not before", async () => {
    const stream = uniqueKey();
    const settings = { claimIdleMs: 600_000 };
    await heldByDead(stream, 1, 580_000);
    const { recoverer } = await rolesFor(settingsFor(stream, settings));
    expect(await recoverer.takeDue(4)).toEqual([]);
    const other = uniqueKey();
    const ids = await heldByDead(other, 1, 600_000);
    const taken = await (await rolesFor(settingsFor(other, settings))).recoverer.takeDue(4);
    expect(taken.map(({ entry, deliveries }) => [entry.id, deliveries])).toEqual([[ids[0], 2]]);
  });

  test("nothing is taken over while Redis is away", async () => {
    const stream = uniqueKey();
    await heldByDead(stream, 1, 120_000);
    const { recoverer, grace } = await rolesFor(settingsFor(stream, {}));
    grace.failed();
    expect(await recoverer.takeDue(4)).toEqual([]);
    expect(recoverer.nextAt).toBe(Number.POSITIVE_INFINITY);
    grace.worked();
    expect(await recoverer.takeDue(4)).toHaveLength(1);
  });

  test("what came in a lost reply is taken at once, and not counted again", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 2);
    const { recoverer, retries } = await rolesFor(settingsFor(stream, {}));
    await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
    retries.replyLost();
    const taken = await recoverer.takeDue(4);
    expect(taken.map(({ entry, deliveries }) => [entry.id, deliveries])).toEqual(ids.map((id) => [id, 1]));
  });

  test("a take whose reply is lost counts once", async () => {
    const stream = uniqueKey();
    await heldByDead(stream, 1, 120_000);
    const wrap = (streams: Streams): Streams => losing(streams, "takeEntries");
    const { recoverer, retries } = await rolesFor(settingsFor(stream, {}), { wrap });
    await expect(recoverer.takeDue(4)).rejects.toThrow("lost the connection");
    retries.replyLost();
    expect((await recoverer.takeDue(4)).map(({ deliveries }) => deliveries)).toEqual([2]);
  });
});

describe("settle:", () => {
  test("a retry is pending with its delay left, and comes due for its own worker", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const { turn, ends, recoverer, retries } = await rolesFor(settingsFor(stream, {}), { code: 1 });
    await turn();
    expect(ends).toEqual([expect.stringMatching(/ retry$/)]);
    await until("it is due", () => performance.now() >= retries.nextAt);
    expect((await recoverer.takeDue(4)).map(({ deliveries }) => deliveries)).toEqual([2]);
  });

  test("plain acks that come while one is on its way go together", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 4);
    const sent: number[] = [];
    const wrap = (streams: Streams): Streams => ({
      ...streams,
      ackOwned: (key, member, claims, rule) => {
        sent.push(claims.length);
        return streams.ackOwned(key, member, claims, rule);
      },
    });
    const { turn } = await rolesFor(settingsFor(stream, {}), { wrap });
    await turn();
    expect(sent.reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(sent.length).toBeLessThan(4);
  });

  test("a verdict on what another has taken meanwhile changes nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const { dispatcher, inFlight, ends } = await rolesFor(settingsFor(stream, {}));
    await redis.xreadgroup("GROUP", "g", "other", "STREAMS", stream, ">");
    await dispatcher.admit([{ stream, entry: { id: entryId(id), fields: [] }, deliveries: 1 }], now());
    await until("it is settled", () => inFlight.count === 0);
    expect(ends).toEqual([`${id} lost`]);
    expect(await pendingIn(redis, stream)).toBe(1);
  });

  test("acks of one turn are one call: none waits for the answer to the first", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    const calls: number[] = [];
    const wrap = (streams: Streams): Streams => ({
      ...streams,
      ackOwned: (key, member, claims, options) => {
        calls.push(claims.length);
        return streams.ackOwned(key, member, claims, options);
      },
    });
    const { turn, ends } = await rolesFor(settingsFor(stream, {}), { wrap });
    await turn();
    expect(ends).toHaveLength(4);
    expect(calls).toEqual([4]);
  });

  test("a verdict whose reply is lost is sent again, and counts as carried out", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id = ""] = await fill(redis, stream, 1);
    const wrap = (streams: Streams): Streams => losing(streams, "ackOwned", 2);
    const { turn, ends } = await rolesFor(settingsFor(stream, {}), { wrap });
    await turn();
    expect(ends).toEqual([`${id} ack`]);
    expect(await pendingIn(redis, stream)).toBe(0);
  });
});

describe("read ahead:", () => {
  test("what others have taken in a pause is found out by a few questions, however much waits", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    let asked = 0;
    const settings = settingsFor(stream, { claimIdleMs: 100 });
    const roles = await rolesFor(settings, {
      wrap: (streams) => ({
        ...streams,
        keepAlive: (...args) => {
          asked++;
          return streams.keepAlive(...args);
        },
      }),
    });
    const entries = await waitingFor(roles, stream, 100);
    await sleep(100);
    const ids = entries.map(({ entry }) => entry.id);
    await redis.xclaim(stream, "g", "other", 0, ...ids.slice(1));
    roles.runner.startNext();
    await until("all are gone", () => roles.inFlight.count === 0);
    expect(roles.runs.map(({ entry }) => entry.id)).toEqual(ids.slice(0, 1));
    expect(asked).toBeLessThan(20);
  });

  test("what comes meanwhile makes nothing wait for longer that no slot takes", async () => {
    const stream = uniqueKey();
    const roles = await rolesFor(settingsFor(stream, {}));
    const running = await waitingFor(roles, stream, 4);
    roles.runner.waiting.abandon();
    for (const entry of running) roles.inFlight.start([entry]);
    const ahead = await waitingFor(roles, stream, 3);
    await until("it is handed back", () => {
      // As when an entry has come.
      roles.runner.startNext();
      return ahead.every(({ state }) => state === "gone");
    });
    expect(roles.runs).toEqual([]);
  });

  test("--rate: what is asked for beforehand far from Redis starts in time, and no sooner when a slot comes free", async () => {
    const stream = uniqueKey();
    const settings = settingsFor(stream, { ahead: 1_000, ratePerSecond: 20 });
    const roles = await rolesFor(settings);
    await fill(rawRedis(), stream, 200);
    // Runs of a millisecond, and a Redis that is far away.
    roles.readAhead.ran(1);
    roles.readAhead.answered(400);
    await roles.dispatcher.turn(1);
    await until("some wait for their time", async () => {
      const places = roles.dispatcher.places();
      if (typeof places === "number" && places > 0) await roles.dispatcher.turn(places);
      return roles.inFlight.waiting >= 5;
    });
    const begun = Date.now();
    const before = roles.runs.length;
    await until("they have been run", () => roles.inFlight.count === 0);
    const ran = roles.runs.length - before;
    // One that is due and one that is not caught up on may come at once.
    expect(Date.now() - begun).toBeGreaterThanOrEqual((ran - 2) * 50 - 10);
  });

  test("a heartbeat does not undo that an entry was handed back", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    let carriedOut = false;
    const roles = await rolesFor(settingsFor(stream, {}), {
      wrap: (streams) => ({
        ...streams,
        requeueOwned: async (...args) => {
          const owned = await streams.requeueOwned(...args);
          carriedOut = true;
          await held;
          return owned;
        },
      }),
    });
    await waitingFor(roles, stream, 1);
    roles.runner.handBack();
    await until("it is handed back", () => carriedOut);
    await roles.ownership.beat(stream, [...roles.inFlight.of(stream)]);
    const [row] = (await redis.xpending(stream, "g", "-", "+", 1)) as [string, string, number, number][];
    answer();
    expect(row?.[2], "idle, so that others take it at once").toBeGreaterThanOrEqual(60_000);
    await until("it is gone", () => roles.inFlight.count === 0);
  });
});
