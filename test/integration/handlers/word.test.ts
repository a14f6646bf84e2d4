import { describe, expect, test } from "vitest";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  deadLetters,
  drain,
  fill,
  pendingIn,
  scratchDir,
  SHELL_WAYS,
  startWorker,
  workerArgv,
} from "../../support/worker.ts";

type Drain = (stream: string, command: string, more?: string[]) => Promise<CliResult>;

const WAYS: [string, Drain][] = [
  ...SHELL_WAYS.map(([name, flags]): [string, Drain] => [
    name,
    (stream, command, more = []) => drain(stream, command, [...flags, ...more]),
  ]),
  [
    "by a program",
    (stream, command, more = []) => {
      const argv = workerArgv(stream, "", "--until-empty", ...more).slice(0, -2);
      return cli([...argv, "--", "sh", "-c", command]);
    },
  ],
];

/** At the first delivery it does that, later nothing. */
const once = (body: string): string => `if [ "$STREAMCTL_DELIVERIES" = 1 ]; then ${body}; fi`;

describe.each(WAYS)("a word on fd 3, %s,", (_, drain) => {
  test("beats the exit code: retry in spite of 0, ok and dead in spite of another", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const say = `read -r l; case $l in
      *'"n":"0"'*) ${once("echo retry no stock >&3; exit 0")};;
      *'"n":"1"'*) echo ok >&3; exit 3;;
      *'"n":"2"'*) echo why >&2; echo dead no such customer >&3; exit 4;;
    esac`;
    const result = await drain(stream, say);
    expect(result.stderr).toContain("2 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (no stock)");
    const [letter] = await deadLetters(redis, `${stream}:dlq`);
    expect(letter).toMatchObject({
      n: "2",
      "dlq.reason": "no such customer",
      "dlq.stderr": "why\n",
      "dlq.deliveries": "1",
    });
    expect(letter).not.toHaveProperty("dlq.exit");
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("the last of several counts, also of a command that is killed after it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, "echo retry >&3; echo dead after all >&3; kill -9 $$");
    expect(result.stderr).toContain("0 ok, 1 dead-lettered, 0 retried");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.reason": "after all" }]);
  });

  test("is no word when it came before --timeout ended the run", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, "echo ok >&3; exec sleep 60", [
      "--timeout",
      "300ms",
      "--max-deliveries",
      "1",
    ]);
    expect(result.stderr).toContain("0 ok, 1 dead-lettered");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.reason": "timeout 300ms" }]);
  });

  test("lines that are no word settle nothing and are told of once a run; the exit code counts", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, "printf 'hello\\nsnooze later\\n\\n' >&3; exit 65");
    expect(result.stderr.match(/ignored on fd 3/g)).toHaveLength(1);
    expect(result.stderr).toContain('ignored on fd 3: "hello" is no word: write ok, retry [in DURATION]');
    expect(result.stderr).toContain("0 ok, 1 dead-lettered");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.reason": "exit 65" }]);
  });

  test("and --emit: what an ok puts out is what a command printed, whatever its exit code; others put out nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 2);
    const say = `read -r l; echo line; case $l in *'"n":"0"'*) echo ok >&3; exit 1;; esac; mkdir ${dir}/seen && echo snooze 20ms >&3 || echo dead >&3`;
    const result = await drain(stream, say, ["--emit", `${stream}:out`]);
    expect(result.stderr).toContain("1 ok, 1 dead-lettered, 0 retried, 1 snoozed");
    expect(await redis.xlen(`${stream}:out`)).toBe(1);
  });

  test("what a command leaves running says nothing of this entry or the next, and keeps none waiting", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 3);
    const leave = `( until [ -e ${dir}/go ]; do sleep 0.01; done; echo dead by another >&3 ) > /dev/null 2>&1 &`;
    const say = `if mkdir ${dir}/first 2>/dev/null; then ${leave} true; else touch ${dir}/go; sleep 0.3; fi`;
    const result = await drain(stream, say);
    expect(result.stderr).toContain("3 ok, 0 dead-lettered, 0 retried");
  });
});

describe("the word of --batch and --persistent", () => {
  test("is the same: retry in, and snooze", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const say = `while read -r l; do id=\${l#*'"id":"'}; id=\${id%%'"'*}; case $l in
      *'"n":"0"'*'"deliveries":1'*) echo "$id retry in 50ms soon" >&3;;
      *'"n":"1"'*) [ -e "$DIR/seen" ] || { touch "$DIR/seen"; echo "$id snooze 50ms later" >&3; };;
    esac; printf '%s\n' "$l"; done`;
    const dir = await scratchDir();
    const batch = await drain(stream, say, ["--batch", "2", "--batch-wait", "20ms"], { env: { DIR: dir } });
    expect(batch.stderr).toContain("2 ok, 0 dead-lettered, 1 retried, 1 snoozed");
    const deliveries = ndjson(batch.stdout).map(
      ({ fields, deliveries: count }) => `${(fields as { n: string }).n}:${Number(count)}`,
    );
    expect(deliveries.toSorted()).toEqual(["0:1", "0:2", "1:1", "1:1"]);
  });

  test("of a persistent command, too", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const say = `i=0; while read -r l; do i=$((i + 1)); printf '%s\n' "$l" >&2; case $i in 1) echo snooze 30ms not yet;; 2) echo retry in 30ms busy;; *) echo ok;; esac; done`;
    const result = await drain(stream, say, ["--persistent"]);
    expect(result.stderr).toContain("1 ok, 0 dead-lettered, 1 retried, 1 snoozed");
    expect([...result.stderr.matchAll(/"deliveries":(\d)/g)].map(([, count]) => count)).toEqual([
      "1",
      "1",
      "2",
    ]);
    expect(result.stderr).toContain("snoozed (not yet): again in 30ms, not counted");
  });
});

test.each(SHELL_WAYS)(
  "an entry's trace is in the handler's environment, and the worker's own is not, %s",
  async (_, flags) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "Traceparent", "00-aa-bb-01", "baggage", "a=$(id) 'b\\", "n", "1");
    await redis.xadd(stream, "*", "n", "2");
    await redis.xadd(stream, "*", "traceparent", "x\ny", "tracestate", " t ", "n", "3");
    const show =
      'echo "${TRACEPARENT-none}|${TRACESTATE-none}|${BAGGAGE-none}"; echo "$(env | grep -c ^__streamctl) inner" >&2';
    const env = { TRACEPARENT: "the worker's", BAGGAGE: "the worker's" };
    const result = await drain(stream, show, flags, { env });
    expect(result.stdout).toBe("00-aa-bb-01|none|a=$(id) 'b\\\nnone|none|none\nnone| t |none\n");
    expect(result.stderr.match(/TRACEPARENT is left out: .* control characters/g)).toHaveLength(1);
    expect(result.stderr).toContain("\n0 inner\n");
  },
);

test("a batch has the trace of its entry when it is alone", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await redis.xadd(stream, "*", "traceparent", "00-aa-bb-01");
  const worker = startWorker(stream, 'cat > /dev/null; echo "$STREAMCTL_BATCH|${TRACEPARENT-none}"', [
    "--batch",
    "2",
    "--batch-wait",
    "20ms",
  ]);
  await until("it has run alone", () => worker.stdout === "1|00-aa-bb-01\n");
  await redis.multi().xadd(stream, "*", "traceparent", "x").xadd(stream, "*", "traceparent", "y").exec();
  await until("two have run", () => worker.stdout.includes("2|none") || worker.stdout.includes("1|y"));
});
