import { readFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { bin, BinRun, copyOfProgram } from "../support/bin.ts";
import { pause } from "../support/chaos/seat.ts";
import { uniqueKey } from "../support/cli.ts";
import { ask, metricsUrl } from "../support/http.ts";
import { rawRedis, until } from "../support/redis.ts";
import { closedGate, fill, pendingIn, scratchDir } from "../support/worker.ts";
import { serverUrl } from "../support/server-url.ts";

const JOBS = 4;
/** What runs, and as many whose verdicts are on their way. */
const MOST_IN_HAND = 2 * JOBS;

/** One line that a handler wrote when it started: by the server's clock and this machine's, which are one. */
interface Start {
  readonly id: string;
  readonly deliveries: number;
  readonly consumer: string;
  readonly atMs: number;
}

/** A place where workers of one group on one stream can be started, and where their handlers leave their traces. */
class Site {
  readonly redis: Redis;
  readonly stream = uniqueKey();
  readonly #program: [string, string];
  readonly #file: string;

  private constructor(program: [string, string], file: string) {
    this.redis = rawRedis();
    this.#program = program;
    this.#file = file;
  }

  static async open(): Promise<Site> {
    const dir = await scratchDir();
    return new Site(await copyOfProgram(dir), `${dir}/starts`);
  }

  /** A worker whose handlers do this when they have left their trace. */
  worker(then: string, ...flags: string[]): BinRun {
    const note = `echo "$STREAMCTL_ID $STREAMCTL_DELIVERIES $STREAMCTL_CONSUMER $(date +%s%3N)" >> ${this.#file}`;
    const argv = ["consume", this.stream, "-g", "g", "--create-group", ...flags];
    const options = { program: this.#program, url: serverUrl() };
    return new BinRun([...argv, "--exec", `${note}; ${then}`], options);
  }

  async starts(): Promise<Start[]> {
    const text = await readFile(this.#file, "utf8").catch(() => "");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [id = "", deliveries, consumer = "", at] = line.split(" ");
        return { id, deliveries: Number(deliveries), consumer, atMs: Number(at) };
      });
  }

  /** What a process has started; its consumer is named HOST-PID-RANDOM. */
  async startsOf({ pid }: BinRun): Promise<Start[]> {
    return (await this.starts()).filter(({ consumer }) => consumer.split("-").at(-2) === String(pid));
  }

  untilAtWork(run: BinRun): Promise<boolean> {
    return until("it is at work", async () => (await this.startsOf(run)).length > 0);
  }

  /** Per consumer, how many entries are pending for it. */
  async holders(): Promise<string[]> {
    const rows = (await this.redis.xpending(this.stream, "g", "-", "+", 1_000)) as [string, string][];
    return rows.map(([, owner]) => owner);
  }

  async lag(): Promise<number> {
    const result = await bin(["lag", this.stream, "-o", "json"], { program: this.#program });
    const [row] = JSON.parse(result.stdout) as [{ lag: number }];
    return row.lag;
  }
}

/** Adds an entry every few ms until it is stopped. */
function produce({ redis, stream }: Site, everyMs: number): { stop(): Promise<string[]> } {
  const ids: string[] = [];
  const stopping = new AbortController();
  const work = (async () => {
    while (!stopping.signal.aborted) {
      ids.push(...(await fill(redis, stream, 1)));
      await pause(everyMs);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await work;
      return ids;
    },
  };
}

describe("workers replaced one by one under load", () => {
  test("with SIGTERM: all exit 0, the lag recovers, nothing is run twice or waits for --claim-idle", async () => {
    const site = await Site.open();
    // What waited for it would be a test that hangs.
    const start = (): BinRun => site.worker("sleep 0.1", "-j", String(JOBS), "--claim-idle", "10m");
    const old = [start(), start(), start()];
    const producing = produce(site, 5);
    const young: BinRun[] = [];
    for (const run of old) await site.untilAtWork(run);
    for (const run of old) {
      const next = start();
      young.push(next);
      run.signal("SIGTERM");
      expect(await run.done).toMatchObject({ code: 0, signal: null });
      await site.untilAtWork(next);
      await pause(300);
    }
    const ids = await producing.stop();
    await until("the lag recovers", async () => (await site.lag()) === 0);
    await until("everything is acked", async () => (await pendingIn(site.redis, site.stream)) === 0);
    const starts = await site.starts();
    expect(starts.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    expect(starts.filter(({ deliveries }) => deliveries !== 1)).toEqual([]);
    for (const run of young) run.signal("SIGTERM");
    for (const run of young) expect(await run.done).toMatchObject({ code: 0, signal: null });
    expect(await site.holders()).toEqual([]);
  });

  test("one of them killed with -9: only what it had in hand waits for its --claim-idle", async () => {
    const site = await Site.open();
    const claimIdleMs = 20_000;
    const start = (): BinRun =>
      site.worker("sleep 0.4", "-j", String(JOBS), "--claim-idle", `${claimIdleMs / 1_000}s`);
    const [first, victim, third] = [start(), start(), start()];
    const producing = produce(site, 30);
    for (const run of [first, victim, third]) await site.untilAtWork(run);
    victim.signal("SIGKILL");
    const killedAt = Date.now();
    await victim.done;
    const young = start();
    await site.untilAtWork(young);
    first.signal("SIGTERM");
    expect(await first.done).toMatchObject({ code: 0 });
    const ids = await producing.stop();

    const [{ consumer }] = (await site.startsOf(victim)) as [Start];
    const left = await until("nobody else has anything left", async () => {
      const holders = await site.holders();
      return (await site.lag()) === 0 && holders.every((owner) => owner === consumer) ? holders : undefined;
    });
    expect(Date.now() - killedAt).toBeLessThan(claimIdleMs);
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThanOrEqual(MOST_IN_HAND);

    await until("they are taken over", async () => (await site.holders()).length === 0, 2 * claimIdleMs);
    const starts = await site.starts();
    expect(new Set(starts.map(({ id }) => id))).toEqual(new Set(ids));
    const again = starts.filter(({ deliveries }) => deliveries > 1);
    expect(again).toHaveLength(left.length);
    // Its last heartbeat may have been a third of --claim-idle before its end.
    for (const { atMs } of again) expect(atMs - killedAt).toBeGreaterThanOrEqual((claimIdleMs * 2) / 3 - 100);
    for (const run of [third, young]) run.signal("SIGTERM");
    for (const run of [third, young]) expect(await run.done).toMatchObject({ code: 0 });
  });
});

describe("SIGTERM under load", () => {
  /** The promise is a second; a busy machine gets much more, far less than --claim-idle. */
  const TAKEN_WITHIN_MS = 30_000;
  const SHARED = ["-j", String(JOBS), "--claim-idle", "10m", "--shutdown-timeout", "10m"];

  interface Case {
    readonly flags: readonly string[];
    readonly entries: number;
    /** Whether what waits can be handed back at once, or only when a handler before it has ended. */
    readonly atOnce: boolean;
  }

  test.each<[string, Case]>([
    [
      "a batch that waits for more",
      { flags: ["--batch", "10", "--batch-wait", "10m"], entries: 25, atOnce: true },
    ],
    ["the next entries of a key", { flags: ["--order-by", "key"], entries: 8, atOnce: false }],
  ])(
    "%s: what has not started is taken by another worker at once, and exit 0 comes with the handlers' end",
    async (_, { flags, entries, atOnce }) => {
      const site = await Site.open();
      for (let n = 0; n < entries; n++) await site.redis.xadd(site.stream, "*", "key", `k${n % 2}`);
      const gate = await closedGate();
      const run = site.worker(gate.wait, ...SHARED, ...flags);
      // Two runs each: two full batches, or the first entries of two keys.
      await until("everything is read, and its handlers run", async () => {
        const read = await pendingIn(site.redis, site.stream).catch(() => 0);
        return read === entries && (await site.startsOf(run)).length === 2;
      });
      const other = site.worker("true", ...SHARED, ...(atOnce ? [] : flags), "--metrics-port", "0");
      const url = await until("another worker is there", () => metricsUrl(other));
      await until("it reads", async () => (await ask(`${url}/readyz`)).status === 200);
      const signalledAt = Date.now();
      run.signal("SIGTERM");
      await until("it has heard it", () => run.stderr.includes("stopping at SIGTERM"));
      if (atOnce) await until("the other has taken", async () => (await site.startsOf(other)).length > 0);
      const openedAt = Date.now();
      await gate.open();
      expect(await run.done).toMatchObject({ code: 0, signal: null });
      expect(Date.now() - openedAt).toBeLessThan(TAKEN_WITHIN_MS);
      await until("everything is acked", async () => (await pendingIn(site.redis, site.stream)) === 0);

      const taken = await site.startsOf(other);
      const from = atOnce ? signalledAt : openedAt;
      const tookMs = Math.max(...taken.map(({ atMs }) => atMs)) - from;
      console.log(`${taken.length} of ${entries} handed back; the last one ran ${tookMs} ms later`);
      expect(taken.length).toBeGreaterThanOrEqual(5);
      expect(taken.filter(({ deliveries }) => deliveries !== 1)).toEqual([]);
      expect(tookMs).toBeLessThan(TAKEN_WITHIN_MS);
    },
  );
});
