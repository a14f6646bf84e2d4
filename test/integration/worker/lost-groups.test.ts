import type { Redis } from "ioredis";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  closedGate,
  deadLetters,
  fill,
  type Gate,
  linesOf,
  pendingIn,
  scratchDir,
  startWorker,
} from "../../support/worker.ts";

/** Fails at its first delivery, when the test has done its worst. */
const failsOnce = ({ wait }: Gate): string =>
  `echo "start $STREAMCTL_ID"; ${wait}; test "$STREAMCTL_DELIVERIES" -gt 1 && echo "done $STREAMCTL_ID"`;
const SLOW_BEAT = ["--claim-idle", "60s"];

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function deleteConsumers(redis: Redis, stream: string): Promise<void> {
  for (const [, name] of (await redis.xinfo("CONSUMERS", stream, "g")) as string[][])
    await redis.xgroup("DELCONSUMER", stream, "g", name as string);
}

describe("entries in hand are not lost with their place in the pending list:", () => {
  test("a failed one whose consumer was deleted is retried", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, failsOnce(gate), SLOW_BEAT);
    await until("the handler runs", () => worker.stdout.includes("start"));
    const [[, consumer]] = (await redis.xinfo("CONSUMERS", stream, "g")) as [[string, string]];
    await redis.xgroup("DELCONSUMER", stream, "g", consumer);
    await gate.open();
    await until("it is retried", () => worker.stdout.includes(`done ${id}`));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test.each([[[]], [["--order-by", "n"]]])(
    "a stream that is deleted is worked on when it is made again, with %j",
    async (more) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 1);
      const worker = startWorker(stream, "echo ran", [...SLOW_BEAT, ...more]);
      await until(
        "it works",
        async () => worker.stdout === "ran\n" && (await pendingIn(redis, stream)) === 0,
      );
      await redis.del(stream);
      await until("its group is back", async () => (await redis.exists(stream)) === 1);
      await redis.xadd(stream, "*", "n", "1");
      await until("it works again", () => worker.stdout === "ran\nran\n");
    },
  );

  test("a poisonous one whose consumer was deleted is dead-lettered, once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo start; ${gate.wait}; exit 65`, SLOW_BEAT);
    await until("the handler runs", () => worker.stdout.includes("start"));
    const [[, consumer]] = (await redis.xinfo("CONSUMERS", stream, "g")) as [[string, string]];
    await redis.xgroup("DELCONSUMER", stream, "g", consumer);
    await gate.open();
    await until("it is told", () => worker.stderr.includes("dead-lettered after"));
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.id": id }]);
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("all of them when the consumer of several was deleted, also those that wait for a retry", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 4);
    const gate = await closedGate();
    const command = `case $(cat) in *${ids[0]}*) ;; *) ${gate.wait};; esac; test "$STREAMCTL_DELIVERIES" -gt 1 && echo "done $STREAMCTL_ID"`;
    const retry = ["--retry-delay", "3s", "--retry-max-delay", "3s"];
    const worker = startWorker(stream, command, ["-j", "3", ...SLOW_BEAT, ...retry]);
    await until("one waits for its retry", () => worker.stderr.includes("retry in"));
    await until("three are running", async () => (await pendingIn(redis, stream)) === 4);
    const [[, consumer]] = (await redis.xinfo("CONSUMERS", stream, "g")) as [[string, string]];
    await redis.xgroup("DELCONSUMER", stream, "g", consumer);
    await gate.open();
    await until("all are retried", () => ids.every((id) => worker.stdout.includes(`done ${id}`)));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test("a heartbeat takes hold again of all that a deleted consumer had in hand", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const worker = startWorker(stream, "echo start; sleep 30", ["-j", "3"]);
    await until("the handlers run", () => worker.stdout.split("start").length === 4);
    const [[, consumer]] = (await redis.xinfo("CONSUMERS", stream, "g")) as [[string, string]];
    await redis.xgroup("DELCONSUMER", stream, "g", consumer);
    await until("they are pending again", async () => (await pendingIn(redis, stream)) === 3);
  });

  test("a failed one whose group was destroyed while every place was taken", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first, second] = await fill(redis, stream, 2);
    const gate = await closedGate();
    const command = `case $(cat) in *${first}*) ${failsOnce(gate)};; *) echo "done $STREAMCTL_ID"; sleep 0.1;; esac`;
    const worker = startWorker(stream, command, ["-j", "2", ...SLOW_BEAT]);
    await until("the later one is done", () => worker.stdout.includes(`done ${second}`));
    const later = await fill(redis, stream, 1);
    await until("and another", () => worker.stdout.includes(`done ${later[0]}`));
    await redis.xgroup("DESTROY", stream, "g");
    await gate.open();
    await until("the failed one is retried", () => worker.stdout.includes(`done ${first}`));
    // One whose ack was on its way just then may be pending once more; it comes due like any other.
    await until("and acked", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string][];
      return rows.every(([id]) => id !== first);
    });
  });

  test("one that waits for its retry when the group is destroyed", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first, second] = await fill(redis, stream, 2);
    const gate = await closedGate();
    const command = `case $(cat) in *${first}*) ${failsOnce(gate)};; *) echo "done $STREAMCTL_ID";; esac`;
    const retry = ["--retry-delay", "3s", "--retry-max-delay", "3s"];
    const worker = startWorker(stream, command, ["-j", "2", ...SLOW_BEAT, ...retry]);
    await until("the other is done", () => worker.stdout.includes(`done ${second}`));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 1);
    await gate.open();
    await until("it failed", () => worker.stderr.includes("retry in"));
    await redis.xgroup("DESTROY", stream, "g");
    await until("it is retried", () => worker.stdout.includes(`done ${first}`));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stdout.match(/done/g), "nothing is run again").toHaveLength(2);
  });

  test("one whose group somebody else made again at $", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, failsOnce(gate), SLOW_BEAT);
    await until("the handler runs", () => worker.stdout.includes("start"));
    await redis.multi().xgroup("DESTROY", stream, "g").xgroup("CREATE", stream, "g", "$").exec();
    await gate.open();
    await until("it is retried", () => worker.stdout.includes(`done ${id}`));
  });

  test("one that waits for its retry while its worker has nothing else to do, and the consumer is deleted", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const retry = ["--retry-delay", "2500ms", "--retry-max-delay", "2500ms"];
    const command = 'test "$STREAMCTL_DELIVERIES" -gt 1 && echo "done $STREAMCTL_ID $STREAMCTL_DELIVERIES"';
    const worker = startWorker(stream, command, [...SLOW_BEAT, ...retry]);
    await until("it waits", () => worker.stderr.includes("retry in"));
    // The worker's next read makes the consumer anew.
    await pause(600);
    await deleteConsumers(redis, stream);
    await until("it is retried", () => worker.stdout.includes(`done ${id} 2`));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(worker.stderr).toContain("had been deleted: 1 entry is pending again");
  });

  test.each([1, 4])(
    "no waiting retry when consumers are deleted again and again under load, -j %i",
    async (jobs) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      const ids = await fill(redis, stream, 250);
      const runs = `${await scratchDir()}/runs`;
      const command = `test "$STREAMCTL_DELIVERIES" -gt 1 && echo "$STREAMCTL_ID" >> ${runs}`;
      const times = [...SLOW_BEAT, "--retry-delay", "300ms", "--retry-max-delay", "300ms"];
      const workers = [1, 2].map(() => startWorker(stream, command, ["-j", String(jobs), ...times]));
      await until("they work", () => workers.every(({ stderr }) => stderr.includes("retry in")));
      for (let i = 0; i < 8; i++) {
        await pause(150);
        await deleteConsumers(redis, stream);
      }
      await until("all are done", async () => new Set(await linesOf(runs)).size === ids.length, 90_000);
      await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
    },
  );

  test("nothing when the group is destroyed again and again under load, and no letter is doubled", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 250);
    const runs = `${await scratchDir()}/runs`;
    const command = `case $STREAMCTL_ID in *0-?) exit 65;; esac; test "$STREAMCTL_DELIVERIES" -gt 1 && echo "$STREAMCTL_ID" >> ${runs}`;
    const times = [...SLOW_BEAT, "--retry-delay", "300ms", "--retry-max-delay", "300ms"];
    const workers = [1, 2].map(() => startWorker(stream, command, ["-j", "2", ...times]));
    await until("they work", () => workers.every(({ stderr }) => stderr.includes("retry in")));
    for (let i = 0; i < 6; i++) {
      await pause(200);
      await redis.xgroup("DESTROY", stream, "g");
    }
    const lettered = async (): Promise<string[]> =>
      (await deadLetters(redis, `${stream}:dlq`)).map((letter) => letter["dlq.id"] as string);
    await until(
      "all are done",
      async () => new Set([...(await linesOf(runs)), ...(await lettered())]).size === ids.length,
      90_000,
    );
    const letters = await lettered();
    expect(letters).toHaveLength(new Set(letters).size);
  });

  test("a failed one whose consumer was deleted while a read waited, which then made it anew", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const command = `case $STREAMCTL_ID in ${id}) ;; *) exit 0;; esac
      echo "start $STREAMCTL_DELIVERIES"; sleep 1.2; test "$STREAMCTL_DELIVERIES" -gt 1`;
    const worker = startWorker(stream, command, ["-j", "2", "--claim-idle", "2s"]);
    await until("the handler runs", () => worker.stdout.includes("start 1"));
    // A heartbeat comes after the read that waits was asked for.
    await pause(800);
    await deleteConsumers(redis, stream);
    await fill(redis, stream, 1);
    await until("it is retried", () => worker.stdout.includes("start 2"));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test.each<[string, string[], (redis: Redis, stream: string) => Promise<unknown>]>([
    ["consumer was deleted", [], deleteConsumers],
    ["consumer was deleted, with order by key", ["--order-by", "n"], deleteConsumers],
    ["group was destroyed", [], (redis, stream) => redis.xgroup("DESTROY", stream, "g")],
  ])("a failed one whose %s in an outage longer than --claim-idle is retried", async (_, more, strike) => {
    const redis = rawRedis();
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const command = `test "$STREAMCTL_ID" = ${id} || exit 0
      echo "start $STREAMCTL_DELIVERIES"; test "$STREAMCTL_DELIVERIES" -gt 1 || { sleep 2.5; exit 1; }`;
    const flags = ["--claim-idle", "1s", "-j", "2", ...more];
    const worker = startWorker(stream, command, flags, { url: proxy.url });
    await until("the handler runs", () => worker.stdout.includes("start 1"));
    proxy.refuse();
    await pause(1_500);
    await strike(redis, stream);
    await fill(redis, stream, 1);
    proxy.accept();
    await until("it is retried", () => worker.stdout.includes("start 2"));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test.each<[string, (redis: Redis, stream: string) => Promise<unknown>]>([
    ["consumer was deleted", deleteConsumers],
    ["group was destroyed", (redis, stream) => redis.xgroup("DESTROY", stream, "g")],
  ])(
    "one that another worker has taken and settled in an outage does not come back when the %s then",
    async (_, strike) => {
      const redis = rawRedis();
      const proxy = await Proxy.start();
      const stream = uniqueKey();
      const [id] = await fill(redis, stream, 1);
      const command = `echo "start $STREAMCTL_ID $STREAMCTL_DELIVERIES"; test "$STREAMCTL_DELIVERIES" -gt 1 || sleep 2.5
      test "$STREAMCTL_ID" != ${id} || test "$STREAMCTL_DELIVERIES" -gt 1`;
      const cutOff = startWorker(stream, command, ["--claim-idle", "1s", "-j", "2"], { url: proxy.url });
      await until("the handler runs", () => cutOff.stdout.includes(`start ${id} 1`));
      proxy.refuse();
      const other = startWorker(stream, command, ["--claim-idle", "1s"]);
      await until("another has taken it", () => other.stdout.includes(`start ${id} 2`));
      await until("and settled it", async () => (await pendingIn(redis, stream)) === 0);
      await strike(redis, stream);
      const [next] = await fill(redis, stream, 1);
      proxy.accept();
      await until("the worker is told", () => cutOff.stderr.includes("its retry was dropped"));
      await until("what is new is run", () => `${cutOff.stdout}${other.stdout}`.includes(`start ${next}`));
      await until("and settled", async () => (await pendingIn(redis, stream)) === 0);
      expect(`${cutOff.stdout}${other.stdout}`.split(`start ${id}`)).toHaveLength(3);
    },
  );

  test("one that waits for its retry, when its worker has stopped before the group is destroyed", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    // So long that the other does not take the retry before the group is destroyed.
    const times = ["--retry-delay", "5s", "--retry-max-delay", "5s"];
    const failing = startWorker(stream, "exit 1", times);
    await until("it failed once", () => failing.stderr.includes("retry in"));
    failing.signal("SIGTERM");
    await failing.done;
    const other = startWorker(stream, 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"', times);
    const [next] = await fill(redis, stream, 1);
    await until("the other reads on", () => other.stdout === `${next} 1\n`);
    await until("and acks", async () => (await pendingIn(redis, stream)) === 1);
    await redis.xgroup("DESTROY", stream, "g");
    await until("the other runs it", () => other.stdout === `${next} 1\n${id} 2\n`);
    expect(other.stderr).toContain("made it again");
  });

  test.each([0, 2])(
    "the newest ones, behind %i that were settled, when their worker has stopped and another has just started, keep their counts",
    async (settled) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      const ids = await fill(redis, stream, settled + 2);
      const retries = ids.slice(settled);
      const times = ["--retry-delay", "4s", "--retry-max-delay", "4s"];
      const command = `case $STREAMCTL_ID in ${retries.join("|")}) exit 1;; esac`;
      const failing = startWorker(stream, command, times);
      await until("they failed once", () => failing.stderr.split("retry in").length === 3);
      failing.signal("SIGTERM");
      await failing.done;
      const proxy = await Proxy.start();
      let reads = false;
      proxy.onRequest = (bytes) => (reads ||= bytes.includes("xreadgroup") || bytes.includes("XREADGROUP"));
      const printing = 'echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES"';
      const other = startWorker(stream, printing, times, { url: proxy.url });
      await until("the other reads", () => reads);
      await redis.xgroup("DESTROY", stream, "g");
      await until("the other has run them", () => other.stdout.split("\n").length === 3);
      expect(other.stdout.trim().split("\n").toSorted()).toEqual(retries.map((id) => `${id} 2`));
      expect(other.stderr).toContain("made it again");
    },
  );

  test("one that somebody acked by hand is left alone, and the log says what happened", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, failsOnce(gate), SLOW_BEAT);
    await until("the handler runs", () => worker.stdout.includes("start"));
    await redis.xack(stream, "g", id as string);
    await gate.open();
    await until("it is told", () => worker.stderr.includes("is not pending any more: its retry was dropped"));
    expect(await pendingIn(redis, stream)).toBe(0);
  });
});

test("a destroyed group is made again after what any of its workers has settled", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const [first] = await fill(redis, stream, 1);
  const gate = await closedGate();
  const behind = startWorker(stream, `echo "start $STREAMCTL_ID"; ${gate.wait}`, SLOW_BEAT);
  await until("it has the first", () => behind.stdout.includes(`start ${first}`));
  await fill(redis, stream, 20);
  const ahead = startWorker(stream, "echo ok", SLOW_BEAT);
  await until("the rest has run", () => ahead.stdout === "ok\n".repeat(20));
  await until("and is acked", async () => (await pendingIn(redis, stream)) === 1);
  ahead.signal("SIGTERM");
  expect((await ahead.done).stderr).toContain("20 ok");
  await redis.xgroup("DESTROY", stream, "g");
  const [last] = await fill(redis, stream, 1);
  await gate.open();
  await until("what came after it is run", () => behind.stdout.includes(`start ${last}`));
  expect(behind.stdout).toBe(`start ${first}\nstart ${last}\n`);
});

describe("a stream that goes while the worker runs", () => {
  test("DEL: the group is made again, and entries with smaller IDs than before are handled, too", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const worker = startWorker(stream, 'echo "done $STREAMCTL_ID"');
    await until("it works", () => worker.stdout.includes(`done ${id}`));
    await redis.del(stream);
    await until("the group is there again", async () => (await redis.exists(stream)) === 1);
    await redis.xadd(stream, "5-1", "n", "0");
    await until("the new entry is handled", () => worker.stdout.includes("done 5-1"));
    await until("and acked", async () => (await pendingIn(redis, stream)) === 0);
  });

  test("FLUSHALL with handlers running: the worker goes on, and says so once", async () => {
    const server = await SandboxServer.start({ executable: inject("redisExecutable") });
    onTestFinished(() => server.stop());
    const redis = rawRedis(server.url);
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    const worker = startWorker(stream, 'echo "start $STREAMCTL_ID"; sleep 0.5; exit 1', ["-j", "2"], {
      url: server.url,
    });
    await until("handlers run", () => worker.stdout.split("start").length >= 3);
    await redis.flushall();
    const [id] = await fill(redis, stream, 1);
    await until("what came after it is handled", () => worker.stdout.includes(id as string));
    expect(worker.stderr.match(/had gone/g)).toHaveLength(1);
    expect(worker.stderr).not.toContain("waiting for Redis");
  });
});

test("a group that somebody has set back stays there when a consumer is deleted afterwards", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const [first] = await fill(redis, stream, 3);
  const worker = startWorker(stream, 'echo "start $STREAMCTL_ID"; sleep 1; exit 1', [
    ...SLOW_BEAT,
    "--retry-delay",
    "60s",
    "--retry-max-delay",
    "60s",
  ]);
  await until("all have run", () => worker.stdout.split("start").length === 4);
  await redis.xgroup("SETID", stream, "g", "0");
  await deleteConsumers(redis, stream);
  await until("the first is run again", () => worker.stdout.split(`start ${first}`).length === 3);
});
