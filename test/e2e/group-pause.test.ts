import { expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { cli, uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { linesOf, pendingIn, scratchDir, startWorker, workerArgv } from "../support/worker.ts";

const TIMES = ["-j", "2", "--claim-idle", "1s", "--retry-delay", "1500ms", "--retry-max-delay", "1500ms"];

test(
  "five workers, of which some are killed and started again, start nothing while their group is paused, and lose nothing",
  { timeout: 90_000 },
  async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const rows = async (): Promise<[string, string, number, number][]> =>
      (await redis.xpending(stream, "g", "-", "+", 100)) as [string, string, number, number][];
    // One in two fails at its first delivery.
    const handler = `
      cat >> ${dir}/entries; echo "$STREAMCTL_ID" >> ${dir}/runs
      case $STREAMCTL_ID in *[13579]-0) test "$STREAMCTL_DELIVERIES" -gt 1 || exit 1;; esac
      echo "$STREAMCTL_ID" >> ${dir}/done`;
    const start = (): BinRun => new BinRun(workerArgv(stream, handler, ...TIMES));
    const holding = new BinRun(workerArgv(stream, `echo held >> ${dir}/held; exec sleep 60`, ...TIMES));
    for (let n = 1; n <= 2; n++) await redis.xadd(stream, `${n}-0`, "n", String(n));
    await until("it holds two", async () => (await linesOf(`${dir}/held`)).length === 2);
    const [killed, other] = [start(), start()];
    const beside = [1, 2].map(() => startWorker(stream, handler, TIMES));
    for (let n = 3; n <= 40; n++) await redis.xadd(stream, `${n}-0`, "n", String(n));
    await until("half of the rest is done", async () => (await linesOf(`${dir}/done`)).length >= 19);
    expect((await cli(["group", "pause", stream, "g", "--reason", "deploy"])).code).toBe(0);
    const isPaused = (run: { readonly stderr: string }): Promise<unknown> =>
      until("it says that the group is paused", () => run.stderr.includes("is paused on"));
    for (const run of [killed, other, ...beside]) await isPaused(run);
    // Before that, others might have taken over what they have.
    holding.signal("SIGKILL");
    killed.signal("SIGKILL");
    const living = [other, ...beside, start(), start()];
    for (const run of living) await isPaused(run);
    await until("nothing runs any more", async () => {
      const before = (await linesOf(`${dir}/runs`)).length;
      const idle = (await rows()).every(([, , idleMs]) => idleMs > 500);
      return idle && (await linesOf(`${dir}/runs`)).length === before;
    });
    const ran = await linesOf(`${dir}/runs`);
    for (let n = 41; n <= 50; n++) await redis.xadd(stream, `${n}-0`, "n", String(n));
    await until("retries and take-overs are due", async () => {
      const pending = await rows();
      return pending.length >= 2 && pending.every(([, , idleMs]) => idleMs > 2_500);
    });
    const control = ["consume", stream, "-g", "control", "--create-group", "--until-empty", "--exec", "true"];
    expect((await cli(control)).stderr).toContain("50 ok");
    expect(await linesOf(`${dir}/runs`)).toEqual(ran);
    expect(await pendingIn(redis, stream)).toBe((await rows()).length);
    // It ends by itself.
    const again = await cli(["group", "pause", stream, "g", "--for", "500ms"]);
    expect(again.stderr).toContain("was paused already");
    const all = Array.from({ length: 50 }, (_, n) => `${n + 1}-0`).sort();
    await until("all are done", async () => new Set(await linesOf(`${dir}/done`)).size === 50, 60_000);
    await until("all are settled", async () => (await rows()).length === 0, 60_000);
    expect([...new Set(await linesOf(`${dir}/done`))].sort()).toEqual(all);
    for (const run of living) {
      expect(run.stderr.match(/is paused on/g)).toHaveLength(1);
      expect(run.stderr.match(/its pause is over/g)).toHaveLength(1);
    }
  },
);
