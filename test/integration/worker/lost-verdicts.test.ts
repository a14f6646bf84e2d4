import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, drain, fill, pendingIn, startWorker } from "../../support/worker.ts";

/** What is in Redis of one entry when all is over: dead letters, outputs, runs. */
interface Traces {
  readonly letters: number;
  readonly outputs: number;
  readonly runs: number;
}

/** Nothing is pending, or what failed and may soon be taken again. */
async function settled(redis: Redis, stream: string): Promise<boolean> {
  const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
  return rows.every(([, , idleMs]) => idleMs > 30_000);
}

/**
 * The reply to a verdict is lost, and before the worker is back its consumer, or the whole group, is deleted. `arrives`:
 * the verdict itself had come to Redis. Gives what is there when that which is `wanted`, and the worker has stopped.
 */
async function afterLostVerdict(
  command: string,
  { flags = [], wanted }: { readonly flags?: readonly string[]; readonly wanted: Partial<Traces> },
  arrives: boolean,
  strike: "DELCONSUMER" | "DESTROY",
): Promise<Traces> {
  const redis = rawRedis();
  const proxy = await Proxy.start();
  const stream = uniqueKey();
  const output = uniqueKey("output");
  // A server that knows the scripts does what it is asked, and does not answer that it must be sent whole.
  const before = uniqueKey();
  await fill(redis, before, 1);
  await drain(before, command, flags.includes("--emit") ? ["--emit", `${before}:out`] : []);
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
  const gate = await closedGate();
  const handler = `echo "run $STREAMCTL_DELIVERIES" >&2; ${gate.wait}; ${command}`;
  const worker = startWorker(stream, handler, more, { url: proxy.url });
  await until("the handler runs", () => worker.stderr.includes("run 1"));
  if (arrives) proxy.swallowReplies();
  else proxy.swallowBoth();
  let sent = false;
  proxy.onRequest = (bytes) => (sent ||= bytes.includes("EVALSHA"));
  await gate.open();
  await until("the verdict is on its way", () => sent);
  if (arrives) await until("and has come", () => settled(redis, stream));
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
  const traces = async (): Promise<Traces> => ({
    letters: await redis.xlen(`${stream}:dlq`),
    outputs: await redis.xlen(output),
    runs: runs(),
  });
  await until("what is wanted is there", async () => {
    const there = await traces();
    return Object.entries(wanted).every(([what, count]) => there[what as keyof Traces] >= count);
  });
  worker.signal("SIGTERM");
  await worker.done;
  return traces();
}

describe.each(["DELCONSUMER", "DESTROY"] as const)(
  "a verdict whose reply was lost, and then XGROUP %s:",
  (strike) => {
    test.each([true, false])("a dead letter is there once (the verdict had come: %s)", async (arrives) => {
      const wanted = { letters: 2 };
      expect(await afterLostVerdict("exit 65", { wanted }, arrives, strike)).toMatchObject(wanted);
    });

    test.each([true, false])("an output is there once (the verdict had come: %s)", async (arrives) => {
      const wanted = { outputs: 2 };
      const flags = ["--emit"];
      expect(await afterLostVerdict("echo out", { flags, wanted }, arrives, strike)).toMatchObject(wanted);
    });

    test.each([true, false])("a retry is made (the verdict had come: %s)", async (arrives) => {
      const command = 'test "$STREAMCTL_DELIVERIES" -gt 1';
      const wanted = { runs: 4 };
      expect(await afterLostVerdict(command, { wanted }, arrives, strike)).toMatchObject(wanted);
    });
  },
);
