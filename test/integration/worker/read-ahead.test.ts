import { writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { takeScript } from "../../../src/redis/ops/take.ts";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  closedGate,
  deadLetters,
  drain,
  fill,
  type Gate,
  linesOf,
  pendingIn,
  scratchDir,
  startWorker,
} from "../../support/worker.ts";

type Row = [id: string, consumer: string, idleMs: number, deliveries: number];

const PERSISTENT = "while read -r line; do echo ok; done";

/** Quick at first; from the entry with n = 60 on, runs wait until the gate is open. */
const heldUp = (file: string, { wait }: Gate): string =>
  `echo "$STREAMCTL_ID"; case $(cat) in *'"n":"60"'*) touch ${file};; esac; if test -e ${file}; then ${wait}; fi`;

/** Of 200 entries with the fields n = 0 to 199, in a shell's `case`. */
const FROM_50_ON = `*'"n":"'[5-9]?'"'*|*'"n":"'1??'"'*`;

describe("a worker reads ahead", () => {
  test.each<[string, string, string[]]>([
    ["single runs", "true", []],
    ["batches", "cat >/dev/null", ["--batch", "2", "--batch-wait", "0"]],
    ["persistent", PERSISTENT, ["--persistent", "--ahead", "5"]],
  ])("while runs are short, and asks for several at once: %s", async (_, command, more) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 60);
    const proxy = await Proxy.start();
    // Runs are short beside the time that it takes to ask.
    proxy.delay(40);
    let reads = 0;
    proxy.onRequest = (bytes) => (reads += bytes.latin1Slice().split("XREADGROUP").length - 1);
    await drain(stream, command, more, { url: proxy.url });
    expect(await pendingIn(redis, stream)).toBe(0);
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThan(30);
  });

  test("nothing while runs are long", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 10);
    const worker = startWorker(stream, "echo started; sleep 0.3", ["-j", "2"]);
    await until("the second round runs", () => worker.stdout.split("started").length >= 5);
    expect(await pendingIn(redis, stream)).toBeLessThanOrEqual(4);
    expect(
      ((await redis.xpending(stream, "g", "-", "+", 10)) as Row[]).every(([, , , count]) => count === 1),
    ).toBe(true);
  });

  test("and hands back, uncounted, what its handlers do not start soon", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 200);
    const gate = await closedGate();
    // None takes what another runs only because the machine stood still.
    const more = ["-j", "2", "--claim-idle", "60s"];
    const worker = startWorker(stream, heldUp(`${dir}/held`, gate), more);
    let rows: Row[] = [];
    await until("all but what runs was handed back", async () => {
      rows = (await redis.xpending(stream, "g", "-", "+", 100).catch(() => [])) as Row[];
      return rows.length >= 2 && rows.filter(([, , , count]) => count === 1).length === 2;
    });
    // Others may take it at once.
    expect(rows.filter(([, , idleMs, count]) => count === 0 && idleMs < 100)).toEqual([]);
    const other = startWorker(stream, 'echo "$STREAMCTL_ID"', more);
    await until("another runs it all", async () => (await pendingIn(redis, stream)) === 2);
    await gate.open();
    await until("all are done", async () => (await pendingIn(redis, stream)) === 0);
    const ids = `${worker.stdout}${other.stdout}`.trim().split("\n");
    expect(ids).toHaveLength(200);
    expect(new Set(ids).size).toBe(200);
  });

  test("and hands back at a stop what was not begun", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 400);
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', ["-j", "2"]);
    await until("it runs", () => worker.stdout.split("\n").length > 50);
    worker.signal("SIGTERM");
    const { code, stdout } = await worker.done;
    expect(code).toBe(0);
    const rows = (await redis.xpending(stream, "g", "-", "+", 400)) as Row[];
    expect(rows.filter(([, , , count]) => count !== 0)).toEqual([]);
    const rest = await drain(stream, 'echo "$STREAMCTL_ID"');
    const ids = `${stdout}${rest.stdout}`.trim().split("\n");
    expect(ids).toHaveLength(400);
    expect(new Set(ids).size).toBe(400);
  });

  test("--count: no more are run or kept than were asked for", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 100);
    const { stdout } = await startWorker(stream, "echo ok", ["--count", "30"]).done;
    expect(stdout).toBe("ok\n".repeat(30));
    expect(await pendingIn(redis, stream)).toBe(0);
    const rest = await redis.xreadgroup("GROUP", "g", "rest", "COUNT", 100, "STREAMS", stream, ">");
    expect((rest as [string, unknown[]][])[0]?.[1]).toHaveLength(70);
  });

  test("a pause of the outage guard hands back what waits", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 200);
    const command = `case $(cat) in ${FROM_50_ON}) exit 1;; esac`;
    const worker = startWorker(stream, command, ["-j", "2", "--pause-after", "3", "--retry-delay", "10s"]);
    await until("it pauses", () => worker.stderr.includes("paused after"));
    await until("nothing waits", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 200)) as Row[];
      return rows.filter(([, , idleMs, count]) => count === 1 && idleMs < 100).length <= 2;
    });
  });

  test("no entry is run beyond the failures after which the outage guard pauses", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 200);
    const dir = await scratchDir();
    const command = `case $(cat) in ${FROM_50_ON}) echo "failed" >> ${dir}/failed; exit 1;; esac`;
    const times = ["--retry-delay", "10s", "--retry-max-delay", "10s"];
    const worker = startWorker(stream, command, ["--pause-after", "3", ...times]);
    await until("it pauses", () => worker.stderr.includes("paused after"));
    await until("nothing waits", async () => {
      const rows = (await redis.xpending(stream, "g", "-", "+", 200)) as Row[];
      return rows.filter(([, , , count]) => count > 0).length === 3;
    });
    expect(await linesOf(`${dir}/failed`)).toHaveLength(3);
  });

  test("the outage guard probes with one entry also where batches wait for others", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 60);
    const dir = await scratchDir();
    const command = `echo "$STREAMCTL_BATCH" >> ${dir}/runs; cat > /dev/null; exit 1`;
    const batches = ["--batch", "20", "--batch-wait", "200ms", "--pause-after", "1", "--retry-delay", "50ms"];
    startWorker(stream, command, batches);
    await until("it has probed", async () => (await linesOf(`${dir}/runs`)).length >= 3);
    expect((await linesOf(`${dir}/runs`)).slice(0, 3)).toEqual(["20", "1", "1"]);
  });

  test.each<[string, string, string, string[]]>([
    ["single runs", "read -r line; BEGIN", "true", []],
    ["persistent", "while read -r line; do BEGIN; echo ok; done", PERSISTENT, ["--persistent"]],
  ])(
    "--max-deliveries 1: what a worker that dies has not begun is not dead-lettered: %s",
    async (_, begins, other, more) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 200);
      const dir = await scratchDir();
      const begin = `echo "$line" >> ${dir}/begun
        case $line in *'"n":"100"'*) while test ! -e ${dir}/end; do sleep 0.05; done;; esac`;
      const proxy = await Proxy.start();
      const flags = ["--max-deliveries", "1", ...more];
      startWorker(stream, begins.replace("BEGIN", begin), flags, { url: proxy.url });
      await until("one hangs", async () => (await linesOf(`${dir}/begun`)).length === 101);
      // For the others it is dead.
      proxy.hold();
      await drain(stream, other, flags);
      const begun = (await linesOf(`${dir}/begun`)).join("\n");
      const letters = await deadLetters(redis, `${stream}:dlq`);
      expect(letters.filter(({ "dlq.id": id = "none" }) => !begun.includes(id))).toEqual([]);
      proxy.release();
      await writeFile(`${dir}/end`, "");
    },
  );

  test("--dedupe: an entry whose key has succeeded while it waited is not run", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (let n = 0; n < 100; n++) await redis.xadd(stream, "*", "n", String(Math.floor(n / 5)));
    const { stdout, stderr } = await drain(stream, "echo ran", ["--dedupe", "n"]);
    expect(stdout).toBe("ran\n".repeat(20));
    expect(stderr).toContain("80 duplicates");
  });

  test("what a dead worker had is taken only when it starts at once: none is dead-lettered for another's sake", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 60);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 30, "STREAMS", stream, ">");
    const proxy = await Proxy.start();
    const taken: number[] = [];
    proxy.onRequest = (bytes) => {
      for (const command of bytes.latin1Slice().split(/(?=\*\d+\r\n\$)/))
        if (command.includes(takeScript.sha)) taken.push(command.match(/\d{13}-\d+\r\n/g)?.length ?? 0);
    };
    const worker = startWorker(stream, 'echo "$STREAMCTL_ID"', ["-j", "2", "--claim-idle", "300ms"], {
      url: proxy.url,
    });
    await until("all have run", () => worker.stdout.split("\n").length === ids.length + 1);
    await until("and are acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(Math.max(...taken)).toBeLessThanOrEqual(2);
    expect(await deadLetters(redis, `${stream}:dlq`)).toEqual([]);
  });
});
