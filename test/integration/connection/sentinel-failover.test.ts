import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CliRun, ndjson, openStdin, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestSentinel } from "../../support/sentinel.ts";
import { startWorker } from "../../support/worker.ts";

let sentinel: TestSentinel;

beforeAll(async () => {
  sentinel = await TestSentinel.start();
});
afterAll(() => sentinel.stop());

/** Invocations that run at once: so many entries may be on their way at the moment of the failover. */
const PLACES = 4;

async function fill(redis: Redis, stream: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 500) {
    const adding = redis.pipeline();
    for (let i = 0; i < 500; i++) adding.xadd(stream, "*", "n", String(n + i));
    await adding.exec();
  }
}

test(
  "a planned failover runs, or prints, no more entries twice than were on their way, and loses none that was added",
  { timeout: 240_000 },
  async () => {
    const env = { STREAMCTL_URL: "", STREAMCTL_SENTINEL: sentinel.address, STREAMCTL_MASTER: "mymaster" };
    const master = rawRedis(sentinel.master.url);
    const replica = rawRedis(sentinel.replica.url);
    const [worked, read] = [uniqueKey("worked"), uniqueKey("read")];
    const entries = 3_000;
    await fill(master, worked, entries);
    await master.xgroup("CREATE", read, "g", "0", "MKSTREAM");
    await until("the replica has them", async () => (await replica.xlen(worked)) === entries);

    const more = ["-j", String(PLACES), "--claim-idle", "60s", "--create-group"];
    const worker = startWorker(worked, 'echo "$STREAMCTL_ID"', more, { env });
    const reader = new CliRun(["consume", read, "-g", "g"], { env });
    const input = openStdin();
    const producer = new CliRun(["produce", read, "--input", "lines", "--field", "n"], { env, stdin: input });
    let added = 0;
    const adding = setInterval(() => input.write(`${added++}\n`), 2);
    try {
      const runs = (): string[] => worker.stdout.split("\n").filter((line) => line !== "");
      const prints = (): unknown[] => ndjson(reader.stdout).map(({ fields }) => (fields as { n: string }).n);
      await until("all work", () => runs().length > 300 && prints().length > 100);
      await sentinel.failOver();
      await until("all have run", () => new Set(runs()).size === entries, 90_000);
      clearInterval(adding);
      input.end();
      const { code, stderr } = await producer.done;
      expect(stderr).not.toContain("unknown");
      expect(code).toBe(0);
      await until("all are printed", () => new Set(prints()).size === added, 60_000);
      expect(runs().length - entries).toBeLessThanOrEqual(2 * PLACES);
      expect(prints().length - added).toBeLessThanOrEqual(20);
      expect(await replica.xlen(read)).toBe(added);
    } finally {
      clearInterval(adding);
      input.end();
      reader.signal("SIGTERM");
      await reader.done;
      await producer.done;
    }
  },
);
