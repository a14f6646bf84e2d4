import { expect, onTestFinished, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { deadLetters, drain, fill, startWorker } from "../support/worker.ts";

// More than 2^31-1 ms: Node's own timers fire after 1 ms then.
const LONG = "30d";

const persistent = "while read -r line; do sleep 0.1; echo ok; done";

test.each([
  ["--exec", "sleep 0.1", []],
  ["--persistent", persistent, ["--persistent"]],
  ["--batch", "cat >/dev/null; sleep 0.1", ["--batch", "2"]],
])("%s --timeout 30d does not kill healthy handlers", async (_, command, more) => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 2);
  const { code, stderr } = await drain(stream, command, [
    "--timeout",
    LONG,
    "--max-deliveries",
    "1",
    ...more,
  ]);
  expect(code, stderr).toBe(0);
  expect(await deadLetters(redis, `${stream}:dlq`)).toEqual([]);
});

test("-- PROGRAM with --timeout 30d is not killed", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const flags = ["-g", "g", "--create-group", "--until-empty", "--max-deliveries", "1", "--timeout", LONG];
  const { code, stderr } = await cli(["consume", stream, ...flags, "--", "sleep", "0.1"]);
  expect(code, stderr).toBe(0);
  expect(await redis.exists(`${stream}:dlq`)).toBe(0);
});

test("--claim-idle 90d sends no heartbeat every millisecond", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const monitor = await redis.monitor();
  onTestFinished(() => monitor.disconnect());
  const seen: string[] = [];
  monitor.on("monitor", (_time: string, args: string[]) => {
    if (/^evalsha$/i.test(args[0] ?? "") && args[3] === stream) seen.push(args.join(" "));
  });
  const { code } = await drain(stream, "sleep 0.4", ["--claim-idle", "90d"]);
  expect(code).toBe(0);
  await until("the ack shows in the monitor", () => seen.length > 0);
  expect(seen.length).toBeLessThan(30);
});

test("--batch-wait 30d waits for the batch to be whole", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const run = startWorker(stream, "wc -l", ["--batch", "2", "--batch-wait", LONG]);
  await until("the first is taken", async () => {
    const groups = await redis.xpending(stream, "g").catch(() => [0]);
    return groups[0] === 1;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(run.stdout).toBe("");
  await fill(redis, stream, 1);
  await until("the batch ran", () => run.stdout !== "");
  expect(run.stdout.trim()).toBe("2");
});

test("--max-runtime and --idle-exit of 30d end neither a range nor a worker nor a group's reader", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 300);
  const ends = ["--max-runtime", LONG];
  expect(ndjson((await cli(["consume", stream, ...ends])).stdout)).toHaveLength(300);
  const idle = [...ends, "--idle-exit", LONG, "--count", "300"];
  expect(ndjson((await cli(["consume", stream, "-f", "--from", "-", ...idle])).stdout)).toHaveLength(300);
  const group = ["-g", "p", "--create-group"];
  expect(ndjson((await cli(["consume", stream, ...group, ...idle])).stdout)).toHaveLength(300);
  await drain(stream, "sleep 0.1; echo done", ["--batch", "300", "--batch-wait", "100ms", ...ends]);
  expect(await redis.xpending(stream, "g")).toEqual([0, null, null, null]);
  expect((await redis.xinfo("GROUPS", stream)) as unknown[][]).toHaveLength(2);
});

test("--shutdown-timeout 30d lets a handler finish", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const run = startWorker(stream, "echo started; sleep 0.4; echo finished", ["--shutdown-timeout", LONG]);
  await until("the handler runs", () => run.stdout.includes("started"));
  run.signal("SIGTERM");
  const { code, stdout } = await run.done;
  expect(code).toBe(0);
  expect(stdout).toBe("started\nfinished\n");
});

test("--connect-timeout and --command-timeout of 30d give up on nothing and warn of nothing", async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const stream = uniqueKey();
  const times = ["--connect-timeout", LONG, "--command-timeout", LONG];
  const produced = await cli(["produce", stream, "a=1", ...times]);
  expect(produced.code, produced.stderr).toBe(0);
  const read = await cli(["consume", stream, "--json", ...times]);
  expect(read.code, read.stderr).toBe(0);
  expect(warnings).toEqual([]);
});

test("lag --watch --interval 30d looks once, lag --wait --timeout 30d goes on waiting", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  const [id = ""] = await fill(redis, stream, 1);
  const watch = new CliRun(["lag", stream, "--watch", "--interval", LONG]);
  await until("the first look", () => watch.stdout !== "");
  const wait = new CliRun(["lag", stream, "--wait", "--timeout", LONG]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(ndjson(watch.stdout)).toHaveLength(1);
  watch.signal("SIGTERM");
  await watch.done;
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", stream, ">");
  await redis.xack(stream, "g", id);
  expect((await wait.done).code).toBe(0);
});

test.each([
  [["lag", "s", "--watch", "--interval", "0"], "--interval must be at least 10ms"],
  [
    ["consume", "s", "-g", "g", "--exec", "cat", "--dedupe", "a", "--dedupe-ttl", "0"],
    "--dedupe-ttl 0 would",
  ],
  [["consume", "s", "-f", "--max-runtime", "18263d"], "50 years at most"],
  [["lag", "s", "--askpass"], "--password-file"],
])("%j is refused, with the reason", async (argv, reason) => {
  const { code, stderr } = await cli(argv);
  expect(stderr).toContain(reason);
  expect(code).toBe(2);
});

test("--retry-max-delay alone bounds the first delay, too", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const flags = ["-g", "g", "--create-group", "--until-empty", "--max-deliveries", "2"];
  const { stderr } = await cli([
    "consume",
    stream,
    ...flags,
    "--retry-max-delay",
    "20ms",
    "--exec",
    "exit 1",
  ]);
  const [, delay] = /retry in (\d+)ms/.exec(stderr) ?? [];
  expect(Number(delay), stderr).toBeLessThanOrEqual(20);
});
