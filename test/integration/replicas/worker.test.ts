import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { uniqueKey } from "../../support/cli.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { TestReplicas } from "../../support/replicas.ts";
import {
  deadLetters,
  drain,
  fill,
  linesOf,
  pendingIn,
  scratchDir,
  startWorker,
} from "../../support/worker.ts";

const ONE = ["--wait-replicas", "1"];

test("a worker without so many replicas does not begin", async () => {
  const stream = uniqueKey();
  await fill(rawRedis(), stream, 1);
  const { code, stderr } = await drain(stream, "true", [...ONE, "--connect-timeout", "3s"]);
  expect(stderr).toContain("--wait-replicas 1, and redis://");
  expect(stderr).toContain("has no replicas");
  expect(code).toBe(1);
});

test("verdicts of every kind are on the replica when the worker has ended", async () => {
  const { servers } = await TestReplicas.behindLink();
  const { url } = servers;
  const stream = uniqueKey();
  await fill(rawRedis(url), stream, 500);
  const handler =
    'read -r line; case "$line" in *\'"n":"7"\'*) exit 65;; *\'"n":"8"\'*) exit 1;; esac; echo "$line"';
  const more = [...ONE, "-j", "4", "--emit", `${stream}:out`, "--max-deliveries", "2", "--delete"];
  const { code, stderr } = await drain(stream, handler, more, { url });
  expect(stderr).toContain("498 ok, 2 dead-lettered, 1 retried");
  expect(code).toBe(0);
  await servers.primary.stop("SIGKILL");
  const replica = rawRedis(servers.replica(0).url);
  expect(await pendingIn(replica, stream)).toBe(0);
  expect(await replica.xlen(`${stream}:out`)).toBe(498);
  expect((await deadLetters(replica, `${stream}:dlq`)).map(({ n }) => n)).toEqual(["7", "8"]);
  expect(await replica.xlen(stream)).toBe(2);
});

test.each([
  ["an ack", "exit 0", "done"],
  ["a dead letter", "exit 65", "dead-lettered"],
  ["a retry", "[ $STREAMCTL_DELIVERIES = 2 ] || exit 1", "failed"],
])(
  "%s counts no sooner than a replica has it; the handler runs no further time for it",
  async (_, handler, told) => {
    const { servers, link } = await TestReplicas.behindLink();
    const { url } = servers;
    const runs = join(await scratchDir(), "runs");
    const stream = uniqueKey();
    link.hold();
    await fill(rawRedis(url), stream, 1);
    const command = `echo run >> ${runs}; ${handler}`;
    const worker = startWorker(stream, command, [...ONE, "-v", "--claim-idle", "60s"], { url });
    await until("it is told once", () => worker.stderr.includes("verdict can't be delivered yet"));
    expect(worker.stderr).toContain("0 of 1 replicas confirmed");
    expect(worker.stderr).not.toContain(told);
    expect(await linesOf(runs)).toHaveLength(1);
    link.release();
    await until("it counts", () => worker.stderr.includes(told));
    expect(worker.stderr.match(/can't be delivered yet/g)).toHaveLength(1);
    if (told === "failed") await until("the retry counts", () => worker.stderr.includes(" done in "));
    worker.signal("SIGTERM");
    expect((await worker.done).code).toBe(0);
    expect(await linesOf(runs)).toHaveLength(told === "failed" ? 2 : 1);
  },
);

test("while replicas confirm nothing no more entries run than were in flight, and each of them once", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const { url } = servers;
  const runs = join(await scratchDir(), "runs");
  const stream = uniqueKey();
  await fill(rawRedis(url), stream, 30);
  link.hold();
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const more = [...ONE, "--claim-idle", "60s", "--ahead", "0", "-j", "12"];
  const worker = startWorker(stream, `echo run >> ${runs}; exit 65`, more, { url });
  await until("it is told", () => worker.stderr.includes("can't be delivered yet"));
  // Others are taken while the first settle.
  expect((await linesOf(runs)).length).toBeLessThanOrEqual(24);
  link.release();
  await until("all are acked", async () => (await pendingIn(rawRedis(url), stream)) === 0);
  await until("all have run", async () => (await linesOf(runs)).length === 30);
  worker.signal("SIGTERM");
  expect((await worker.done).stderr).toContain("30 dead-lettered");
  expect(await linesOf(runs)).toHaveLength(30);
  expect(warnings, "of Node").toEqual([]);
});

test("an ack whose reply was lost, sent again, counts no sooner than a replica has the first", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const proxy = await Proxy.start(servers.url);
  const redis = rawRedis(servers.url);
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const go = join(await scratchDir(), "go");
  const handler = `while [ ! -e ${go} ]; do sleep 0.02; done`;
  const worker = startWorker(stream, handler, [...ONE, "-v", "--claim-idle", "60s"], { url: proxy.url });
  await until("it runs", () => pendingIn(redis, stream).catch(() => 0));
  link.hold();
  const lost = proxy.loseReplyTo("WAIT");
  await writeFile(go, "");
  await lost;
  await until("the ack is on the primary", async () => (await pendingIn(redis, stream)) === 0);
  await until("the repeat is told of", () => worker.stderr.includes("0 of 1 replicas confirmed"));
  expect(worker.stderr).not.toContain(" done in ");
  link.release();
  await until("it counts", () => worker.stderr.includes(" done in "));
});

test("a primary that dies right after entries were counted has lost none of their acks", async () => {
  const { servers, link } = await TestReplicas.behindLink();
  const { url } = servers;
  const dir = await scratchDir();
  const stream = uniqueKey();
  await fill(rawRedis(url), stream, 200);
  const worker = startWorker(stream, `echo "$STREAMCTL_ID" >> ${dir}/runs`, [...ONE, "-v"], { url });
  await until("some are counted", () => (worker.stderr.match(/ done in /g) ?? []).length > 20);
  link.hold();
  await servers.primary.stop("SIGKILL");
  await link.close();
  const counted = [...worker.stderr.matchAll(/ (\S+) done in /g)].map(([, id]) => id);
  await servers.promote(0);
  const replica = rawRedis(servers.replica(0).url);
  const rows = (await replica.xpending(stream, "g", "-", "+", 1_000)) as [string][];
  const pending = new Set(rows.map(([id]) => id));
  expect(counted.filter((id) => pending.has(id as string))).toEqual([]);
  // With a server the worker comes to its end sooner.
  const { port } = servers.primary;
  const another = await SandboxServer.start({ executable: inject("redisExecutable"), port });
  onTestFinished(() => another.stop());
  worker.signal("SIGTERM");
  await worker.done;
  expect((await readFile(`${dir}/runs`, "utf8")).trim().split("\n").length).toBeGreaterThanOrEqual(
    counted.length,
  );
});
