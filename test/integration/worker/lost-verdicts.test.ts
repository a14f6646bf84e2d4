import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { fill, pendingIn, startWorker } from "../../support/worker.ts";

/** What is in Redis of one entry when all is over: dead letters, outputs, runs. */
interface Traces {
  readonly letters: number;
  readonly outputs: number;
  readonly runs: number;
}

/**
 * The reply to a verdict is lost, and before the worker is back its consumer, or the whole group, is deleted. `arrives`:
 * the verdict itself had come to Redis.
 */
async function afterLostVerdict(
  command: string,
  flags: readonly string[],
  arrives: boolean,
  strike: "DELCONSUMER" | "DESTROY",
): Promise<Traces> {
  const redis = rawRedis();
  const proxy = await Proxy.start();
  const stream = uniqueKey();
  const output = uniqueKey("output");
  await fill(redis, stream, 1);
  const emit = flags.includes("--emit") ? ["--emit", output] : [];
  const more = [
    "--claim-idle",
    "60s",
    "--retry-delay",
    "10ms",
    ...flags.filter((flag) => flag !== "--emit"),
    ...emit,
  ];
  const worker = startWorker(stream, `echo "run $STREAMCTL_DELIVERIES" >&2; sleep 0.7; ${command}`, more, {
    url: proxy.url,
  });
  await until("the handler runs", () => worker.stderr.includes("run 1"));
  if (arrives) proxy.swallowReplies();
  else proxy.swallowBoth();
  await sleep(1_500);
  proxy.refuse();
  proxy.pass();
  if (strike === "DESTROY") await redis.xgroup("DESTROY", stream, "g");
  else
    for (const [, name] of (await redis.xinfo("CONSUMERS", stream, "g")) as string[][])
      await redis.xgroup("DELCONSUMER", stream, "g", name as string);
  const [next] = await fill(redis, stream, 1);
  proxy.accept();
  const runs = (): number => worker.stderr.split("run ").length - 1;
  await until("what came next has run", () => runs() >= 2);
  await until("all is settled", async () => {
    const groups = (await redis.xinfo("GROUPS", stream)) as unknown[][];
    const [group = []] = groups;
    return group[group.indexOf("last-delivered-id") + 1] === next && (await pendingIn(redis, stream)) === 0;
  });
  return { letters: await redis.xlen(`${stream}:dlq`), outputs: await redis.xlen(output), runs: runs() };
}

describe.each(["DELCONSUMER", "DESTROY"] as const)(
  "a verdict whose reply was lost, and then XGROUP %s:",
  (strike) => {
    test.each([true, false])("a dead letter is there once (the verdict had come: %s)", async (arrives) => {
      const { letters } = await afterLostVerdict("exit 65", [], arrives, strike);
      expect(letters).toBe(2);
    });

    test.each([true, false])("an output is there once (the verdict had come: %s)", async (arrives) => {
      const { outputs } = await afterLostVerdict("echo out", ["--emit"], arrives, strike);
      expect(outputs).toBe(2);
    });

    test.each([true, false])("a retry is made (the verdict had come: %s)", async (arrives) => {
      const command = 'test "$STREAMCTL_DELIVERIES" -gt 1';
      expect((await afterLostVerdict(command, [], arrives, strike)).runs).toBe(4);
    });
  },
);
