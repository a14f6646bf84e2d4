import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cli, type CliResult, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  deadLetters,
  drain,
  fill,
  pendingIn,
  scratchDir,
  startWorker,
  workerArgv,
} from "../../support/worker.ts";

const BATCH = ["--batch", "10", "--batch-wait", "100ms"];

/** Runs `body` for each line of stdin with its ID and the value of n. */
function eachEntry(body: string): string {
  return `while read -r l; do id=\${l#*'"id":"'}; id=\${id%%'"'*}; n=\${l#*'"n":"'}; n=\${n%%'"'*}; ${body}; done`;
}

type Drain = (stream: string, command: string, more: string[]) => Promise<CliResult>;

/** A shell command goes through a waiting shell; a program is a process of its own. */
const WAYS: [string, Drain][] = [
  ["a shell command", drain],
  [
    "a program",
    (stream, command, more) => {
      const argv = workerArgv(stream, "", "--until-empty", ...more).slice(0, -2);
      return cli([...argv, "--", "sh", "-c", command]);
    },
  ],
];

describe.each(WAYS)("--batch with %s", (_, drain) => {
  test("gives one run up to N lines, with their number and no entry's own facts in the environment", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 25);
    const show =
      'cat; echo "$STREAMCTL_BATCH|$STREAMCTL_STREAM|$STREAMCTL_GROUP|${STREAMCTL_ID-}|${FIELD_N-}" >&2';
    // So long that no batch but the last begins before it is whole.
    const result = await drain(stream, show, ["--batch", "10", "--batch-wait", "2s", "-q"]);
    expect(ndjson(result.stdout).map(({ id }) => id)).toEqual(ids);
    expect(result.stderr).toBe([10, 10, 5].map((n) => `${n}|${stream}|g||\n`).join(""));
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("settles on exit 0 what fd 3 said, and all the rest as done", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 6);
    const say =
      'case $l in *\'"deliveries":1\'*) case $n in 1) echo "$id dead no such customer" >&3;; 2) echo "$id retry busy" >&3;; 3) echo "$id ok" >&3;; esac;; esac';
    const result = await drain(stream, `echo "run of $STREAMCTL_BATCH"; ${eachEntry(say)}`, BATCH);
    expect(result.stdout).toBe("run of 6\nrun of 1\n");
    expect(result.stderr).toContain("5 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (busy)");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "1", "dlq.reason": "no such customer", "dlq.deliveries": "1" },
    ]);
  });

  test.each([
    ["exits non-zero", "echo boom >&2; exit 3", { "dlq.reason": "exit 3", "dlq.exit": "3" }],
    ["is killed", "echo boom >&2; kill -9 $$", { "dlq.reason": "signal KILL", "dlq.exit": "SIGKILL" }],
    ["runs past --timeout", "echo boom >&2; sleep 60", { "dlq.reason": "timeout 2.0s" }],
  ])("when the command %s, only entries without a result fail", async (_, end, facts) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    const say = 'case $n in 0) echo "$id ok" >&3;; 2) echo "$id dead of its own" >&3;; esac';
    const more = [...BATCH, "--max-deliveries", "1", "--timeout", "2s"];
    const result = await drain(stream, `${eachEntry(say)}; ${end}`, more);
    expect(result.stderr).toContain("1 ok, 3 dead-lettered");
    const records = (await deadLetters(redis, `${stream}:dlq`)).sort(
      (a, b) => Number(a["n"]) - Number(b["n"]),
    );
    expect(records).toMatchObject([
      { n: "1", "dlq.stderr": expect.stringMatching(/^boom\n/), ...facts },
      { n: "2", "dlq.stderr": expect.stringMatching(/^boom\n/), "dlq.reason": "of its own" },
      { n: "3", "dlq.stderr": expect.stringMatching(/^boom\n/), ...facts },
    ]);
  });

  test("lines on fd 3 that mean no entry are ignored with a warning, however many", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const noise =
      'cat >/dev/null; echo "9-9 dead" >&3; i=0; while [ $i -lt 500 ]; do echo "what $i"; i=$((i+1)); done >&3; head -c 3000000 /dev/zero >&3';
    const result = await drain(stream, noise, BATCH);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("2 ok, 0 dead-lettered");
    expect(result.stderr).toContain("9-9 is not in this batch");
    expect(result.stderr).toMatch(/ignored on fd 3: \d+ more lines/);
    expect(result.stderr.length).toBeLessThan(2_000);
  });

  test("exit 65 dead-letters the whole batch at once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    await drain(stream, "exit 65", BATCH);
    expect(await deadLetters(redis, `${stream}:dlq`)).toHaveLength(3);
  });
});

describe("--batch", () => {
  test("runs what has come when --batch-wait is over", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const worker = startWorker(stream, 'echo "$STREAMCTL_BATCH"', [
      "--batch",
      "100",
      "--batch-wait",
      "200ms",
    ]);
    await until("the group is there", () => redis.exists(stream));
    await fill(redis, stream, 3);
    await until("the entries were run", () => worker.stdout !== "");
    await until("they are acked", async () => (await pendingIn(redis, stream)) === 0);
    const sizes = worker.stdout.trim().split("\n").map(Number);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3);
  });

  test("an ID that two streams share settles neither; with its stream it settles the right one", async () => {
    const redis = rawRedis();
    const [a, b] = [uniqueKey("a"), uniqueKey("b")];
    for (const stream of [a, b]) {
      await redis.xadd(stream, "1-1", "n", "0");
      await redis.xadd(stream, "2-2", "n", "1");
    }
    const command = `cat >/dev/null; echo "1-1 dead which" >&3; echo "${b} 2-2 dead this one" >&3; echo "[$STREAMCTL_STREAM]"`;
    const argv = workerArgv(a, command, "--until-empty", "--batch", "4");
    const result = await cli([argv[0] as string, b, ...argv.slice(1)]);
    expect(result.stdout).toBe("[]\n");
    expect(result.stderr).toContain("1-1 is in several streams of this batch");
    expect(result.stderr).toContain("3 ok, 1 dead-lettered");
    expect(await deadLetters(redis, `${b}:dlq`)).toMatchObject([{ n: "1", "dlq.reason": "this one" }]);
    expect(await redis.exists(`${a}:dlq`)).toBe(0);
  });

  test("a command that is not found stops the worker and counts nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const result = await drain(stream, "no-such-command", BATCH);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("not found");
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    const rows = (await redis.xpending(stream, "g", "-", "+", 10)) as [string, string, number, number][];
    expect(rows.map(([, , , deliveries]) => deliveries)).toEqual([0, 0, 0]);
  });

  test.each([
    ["fields", '{"n":"0"}\n{"n":"1"}\n'],
    ["field:n", "0\n1\n"],
    ["field:missing?", "\n\n"],
    ["none", ""],
  ])("--stdin %s", async (form, expected) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const { stdout } = await drain(stream, 'cat; echo "of $STREAMCTL_BATCH"', [...BATCH, "--stdin", form]);
    expect(stdout).toBe(`${expected}of 2\n`);
  });

  test("a field's bytes that hold a line end never pass for two entries: that entry is dead-lettered", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "n", "one");
    await redis.xadd(stream, "*", "n", "two\nthree");
    await redis.xadd(stream, "*", "n", "four");
    const { stdout } = await drain(stream, 'cat; echo "of $STREAMCTL_BATCH"', [
      ...BATCH,
      "--stdin",
      "field:n",
    ]);
    expect(stdout).toBe("one\nfour\nof 2\n");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "two\nthree", "dlq.reason": expect.stringContaining("field n holds a line end") },
    ]);
  });

  test("--tag names the first and the last entry of the batch", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 3);
    const { stdout } = await drain(stream, "cat >/dev/null; echo hello", [...BATCH, "--tag"]);
    expect(stdout).toBe(`${ids[0]}..${ids[2]} hello\n`);
  });

  test("a second signal ends the batch: what it had settled counts, the rest goes back at once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const dir = await scratchDir();
    const command = `${eachEntry('test "$n" = 1 && echo "$id ok" >&3')}; touch ${dir}/said; sleep 60`;
    const worker = startWorker(stream, command, [...BATCH, "--claim-idle", "60s"]);
    await until("it has said something", () => existsSync(`${dir}/said`));
    worker.signal("SIGTERM");
    worker.signal("SIGTERM");
    expect((await worker.done).code).toBe(143);
    expect(await pendingIn(redis, stream)).toBe(2);
    const again = await drain(stream, 'sed "s/.*deliveries\\":\\([0-9]*\\).*/\\1/"', [
      ...BATCH,
      "--claim-idle",
      "60s",
    ]);
    expect(again.stdout).toBe("2\n2\n");
  });

  test.each([
    [["--batch", "0"], "at least 1"],
    [["--batch", "2", "--persistent"], "not both"],
    [["--batch-wait", "1s"], "--batch-wait: only with --batch"],
    [["--batch", "2", "--env-fields"], "--env-fields: not with --batch"],
    [["--batch", "2", "--emit", "out"], "--emit: not with --batch"],
  ])("refuses %j", async (flags, message) => {
    const result = await cli(workerArgv(uniqueKey(), "true", ...flags));
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(message);
  });
});
