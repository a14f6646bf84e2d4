import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  deadLetters,
  drain,
  fill,
  linesOf,
  pendingIn,
  scratchDir,
  startWorker,
  workerArgv,
} from "../../support/worker.ts";

const PERSISTENT = ["--persistent"];

/** A handler in shell: `body` for each line, with the values of n and deliveries. */
function loop(body: string): string {
  return `while read -r l; do n=\${l#*'"n":"'}; n=\${n%%'"'*}; d=\${l#*'"deliveries":'}; d=\${d%%,*}; ${body}; done`;
}

/** Fails in one way at the first delivery of entry 1, and answers ok otherwise. */
function failing(how: string): string {
  return loop(`if [ "$n-$d" = 1-1 ]; then ${how}; else echo ok; fi`);
}

describe("--persistent", () => {
  test("starts the command once per slot and gives it a line per entry, in order", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const ids = await fill(redis, stream, 200);
    const dir = await scratchDir();
    const command = `echo "$STREAMCTL_GROUP" >> ${dir}/starts; while read -r l; do printf '%s\\n' "$l" >> ${dir}/lines; echo ok; done`;
    const result = await drain(stream, command, PERSISTENT);
    expect(result).toMatchObject({ code: 0, stdout: "" });
    expect(result.stderr).toContain("200 ok, 0 dead-lettered, 0 retried");
    expect(await linesOf(`${dir}/starts`)).toEqual(["g"]);
    const entries = ndjson(await readFile(`${dir}/lines`, "utf8"));
    expect(entries.map(({ id }) => id)).toEqual(ids);
    expect(entries[0]).toMatchObject({ stream, deliveries: 1, fields: { n: "0" } });
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("runs up to -j processes at once, and no more", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const dir = await scratchDir();
    const meet = `echo $$ >> ${dir}/here; until [ "$(wc -l < ${dir}/here)" -ge 3 ]; do sleep 0.01; done; echo ok`;
    const result = await drain(stream, loop(meet), [...PERSISTENT, "-j", "3"]);
    expect(result.stderr).toContain("3 ok");
    expect(new Set(await linesOf(`${dir}/here`)).size).toBe(3);
    await fill(redis, stream, 100);
    const again = await drain(stream, `echo $$ >> ${dir}/starts; ${loop("echo ok")}`, [
      ...PERSISTENT,
      "-j",
      "3",
    ]);
    expect(again.stderr).toContain("100 ok");
    expect((await linesOf(`${dir}/starts`)).length).toBeLessThanOrEqual(3);
  });

  test("takes each answer for the entry it stands for, with what the command wrote to stderr meanwhile", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    const say =
      'echo "at $n" >&2; case $n-$d in 1-1) echo "retry no stock";; 3-*) echo "dead bad order";; *) echo ok;; esac';
    const result = await drain(stream, loop(say), [...PERSISTENT, "--ahead", "1"]);
    expect(result.stderr).toContain("4 ok, 1 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (no stock)");
    // Two pipes: what was written just before an ok may be read after it, and is then the next entry's.
    const stderr = expect.stringMatching(/^(at 2\n)?at 3\n$/) as unknown;
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "3", "dlq.reason": "bad order", "dlq.deliveries": "1", "dlq.stderr": stderr },
    ]);
  });

  test.each([
    ["exits", "echo why >&2; exit 3", "exit 3"],
    ["exits 0 without an answer", "echo why >&2; exit 0", "exit 0 without an answer"],
    ["dies by a signal", "echo why >&2; kill -9 $$", "signal KILL"],
    ["answers nonsense", "echo why >&2; echo processed", 'answered nonsense: "processed"'],
    ["falls silent", "echo why >&2; sleep 60", "timeout 3.0s"],
    ["closes its stdout", "echo why >&2; exec >&-; sleep 60 & wait", "closed its stdout"],
  ])(
    "when the command %s, the entry in hand is retried by a new process, and no other one is touched",
    async (_, how, reason) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 40);
      const dir = await scratchDir();
      const command = `echo up >> ${dir}/starts; ${failing(how)}`;
      const times = ["--timeout", reason === "timeout 3.0s" ? "3s" : "60s", "--kill-after", "200ms"];
      const result = await drain(stream, command, [...PERSISTENT, ...times]);
      expect(result.code).toBe(0);
      expect(result.stderr).toContain("40 ok, 0 dead-lettered, 1 retried");
      expect(result.stderr).toContain(`failed (${reason}), delivery 1 of 5`);
      expect(await linesOf(`${dir}/starts`)).toHaveLength(2);
      expect(await pendingIn(redis, stream)).toBe(0);
    },
  );

  test("a command that closes its stdin but stays is replaced when it is to get the next entry", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 4);
    const command = loop('if [ "$n-$d" = 1-1 ]; then exec <&-; echo ok; sleep 60 & wait; fi; echo ok');
    const result = await drain(stream, command, [...PERSISTENT, "--ahead", "1"]);
    expect(result.stderr).toContain("4 ok, 0 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (closed its stdin)");
  });

  test.each([
    ["exit 9", { "dlq.reason": "exit 9", "dlq.exit": "9" }],
    ["kill -9 $$", { "dlq.reason": "signal KILL", "dlq.exit": "SIGKILL" }],
    ["sleep 60", { "dlq.reason": "timeout 2.0s" }],
    ["echo processed", { "dlq.reason": 'answered nonsense: "processed"' }],
  ])("an entry at which the command always fails (%s) is dead-lettered, with why", async (how, facts) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const command = loop(`if [ "$n" = 1 ]; then echo "cannot take $n" >&2; ${how}; else echo ok; fi`);
    const more = [
      "--max-deliveries",
      "2",
      "--timeout",
      how === "sleep 60" ? "2s" : "60s",
      "--kill-after",
      "200ms",
    ];
    const result = await drain(stream, command, [...PERSISTENT, ...more]);
    expect(result.stderr).toContain("2 ok, 1 dead-lettered, 1 retried");
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
      { n: "1", "dlq.deliveries": "2", "dlq.stderr": "cannot take 1\n", ...facts },
    ]);
  });

  test("exit 65 with an entry in hand dead-letters that entry alone", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    await drain(stream, loop('test "$n" = 2 && exit 65; echo ok'), PERSISTENT);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ n: "2", "dlq.reason": "exit 65" }]);
  });

  test("entries written ahead to a process that dies are not counted, and done by the next one", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 300);
    const dir = await scratchDir();
    // Fast at first, so that lines are written ahead; then it dies with several of them unread.
    const command = loop(
      `if [ "$n-$d" = 150-1 ]; then sleep 0.2; exit 1; fi; echo "$n $d" >> ${dir}/done; echo ok`,
    );
    const result = await drain(stream, command, PERSISTENT);
    expect(result.stderr).toContain("300 ok, 0 dead-lettered, 1 retried");
    const done = await linesOf(`${dir}/done`);
    expect(done).toHaveLength(300);
    expect(done.filter((line) => !line.endsWith(" 1"))).toEqual(["150 2"]);
  });

  test("a slow command is given one entry at a time: the others stay with the group", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 20);
    const dir = await scratchDir();
    const worker = startWorker(
      stream,
      // So slow that a verdict which a busy machine answers late takes no longer: for two round trips it reads ahead.
      loop(
        `touch ${dir}/began-$n; until [ -e ${dir}/go-$n ]; do sleep 0.02; done; [ $n = 0 ] && sleep 4; echo ok`,
      ),
      PERSISTENT,
    );
    for (let n = 0; n < 3; n++) {
      await until(`entry ${n} began`, () => existsSync(`${dir}/began-${n}`));
      const [group = []] = (await redis.xinfo("GROUPS", stream)) as string[][];
      const delivered = group[group.indexOf("last-delivered-id") + 1] as string;
      expect(await redis.xrange(stream, "-", delivered)).toHaveLength(n + 1);
      await writeFile(`${dir}/go-${n}`, "");
    }
    worker.signal("SIGTERM");
    await writeFile(`${dir}/go-3`, "");
    expect((await worker.done).code).toBe(0);
  });

  test("what is said without an entry in hand ends the process and settles nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    await fill(redis, stream, 1);
    const command = `echo up >> ${dir}/starts; ${loop('echo ok; if [ "$n" = 0 ]; then echo "dead wood"; fi')}`;
    const worker = startWorker(stream, command, PERSISTENT);
    await until("it is warned of", () =>
      worker.stderr.includes('without being asked, and is replaced: "dead wood"'),
    );
    await redis.xadd(stream, "*", "n", "1");
    await until("the next entry is done", async () => (await linesOf(`${dir}/starts`)).length === 2);
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("2 ok, 0 dead-lettered, 0 retried");
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a process that ends between entries is replaced when the next one comes", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const worker = startWorker(stream, "read -r l; echo ok; exit 4", PERSISTENT);
    await until("its end was seen", () => worker.stderr.includes("ended between entries (exit 4)"));
    await fill(redis, stream, 1);
    await until("its end was seen again", () => worker.stderr.split("ended between entries").length === 3);
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("2 ok, 0 dead-lettered, 0 retried");
  });

  test.each([
    ["a shell command", ["--exec", "no-such-command"]],
    ["a program", ["--", "/nonexistent/program"]],
    ["a file that may not be run", ["--", "/etc/passwd"]],
  ])("%s that can't be run stops the worker and counts nothing", async (_, command) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 30);
    const argv = workerArgv(stream, "", "--until-empty", ...PERSISTENT, "-j", "2").slice(0, -2);
    const result = await cli([...argv, ...command]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("no entry was counted or dead-lettered");
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
    const rows = (await redis.xpending(stream, "g", "-", "+", 100)) as [string, string, number, number][];
    for (const [, , , deliveries] of rows) expect(deliveries).toBe(0);
    expect((await drain(stream, loop("echo ok"), PERSISTENT)).stderr).toContain(
      "30 ok, 0 dead-lettered, 0 retried",
    );
  });

  test("what a command leaves behind may print for as long as it likes: the next entry does not wait for it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const dir = await scratchDir();
    const chatter = `(while [ ! -e ${dir}/enough ]; do echo chatter >&2; sleep 0.1; done) </dev/null >/dev/null &`;
    const command = `read -r l || exit; echo >> ${dir}/seen; ${chatter} echo ok; exit 3`;
    const draining = drain(stream, command, PERSISTENT);
    try {
      await until(
        "both entries have begun",
        async () => (await readFile(`${dir}/seen`, "utf8").catch(() => "")) === "\n\n",
      );
    } finally {
      await writeFile(`${dir}/enough`, "");
    }
    expect(await draining).toMatchObject({ code: 0 });
  });

  test("a command that always dies at once is not started over and over without a pause", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 500);
    const dir = await scratchDir();
    const more = ["--max-deliveries", "1", "--max-runtime", "1500ms"];
    await drain(stream, `echo up >> ${dir}/starts; exit 1`, [...PERSISTENT, ...more]);
    // The shortest waits add up: 25 + 50 + 100 + … ms.
    expect((await linesOf(`${dir}/starts`)).length).toBeLessThan(10);
  });

  test("a stop waits for the answer, then closes stdin so that the command can clean up", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const command = `${loop(`touch ${dir}/began; sleep 0.3; echo ok`)}; echo bye > ${dir}/bye`;
    const worker = startWorker(stream, command, PERSISTENT);
    await until("it works", () => existsSync(`${dir}/began`));
    worker.signal("SIGTERM");
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("1 ok");
    expect(await readFile(`${dir}/bye`, "utf8")).toBe("bye\n");
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test("a command that goes on after its stdin was closed is ended with its children", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, `${loop("echo ok")}; trap "" TERM; sleep 60; sleep 60`, [
      ...PERSISTENT,
      "--kill-after",
      "200ms",
    ]);
    expect(result.code).toBe(0);
  });

  test("a second signal ends the processes: the entry in hand goes back counted, those behind it uncounted", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 200);
    const dir = await scratchDir();
    // Fast until lines are written ahead, then stuck.
    const command = loop(`if [ "$n" = 100 ]; then touch ${dir}/stuck; sleep 60; fi; echo ok`);
    const worker = startWorker(stream, command, [...PERSISTENT, "--claim-idle", "60s"]);
    await until("it is stuck", () => existsSync(`${dir}/stuck`));
    await until("what went before is acked", async () => {
      const [row] = (await redis.xpending(stream, "g", "-", "+", 1)) as [string][];
      const [[, fields] = ["", []]] = await redis.xrange(stream, row?.[0] ?? "-", "+", "COUNT", 1);
      return fields[1] === "100";
    });
    worker.signal("SIGTERM");
    worker.signal("SIGTERM");
    expect((await worker.done).code).toBe(143);
    const rows = (await redis.xpending(stream, "g", "-", "+", 200)) as [string, string, number, number][];
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.map(([, , , deliveries]) => deliveries)).toEqual([1, ...rows.slice(1).map(() => 0)]);
  });

  test("what it answers while it is being ended still counts", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const command = `trap 'echo ok; exit 0' TERM; read -r l; touch ${dir}/began; while :; do sleep 0.05; done`;
    const worker = startWorker(stream, command, [...PERSISTENT, "--shutdown-timeout", "100ms"]);
    await until("it works", () => existsSync(`${dir}/began`));
    worker.signal("SIGTERM");
    const result = await worker.done;
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("1 ok");
    expect(await pendingIn(redis, stream)).toBe(0);
  });

  test.each([
    ["fields", '{"n":"0"}'],
    ["field:n", "0"],
    ["field:missing?", ""],
  ])("--stdin %s gives that as the line", async (form, expected) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const command = 'while read -r l; do echo "[$l]" >&2; echo ok; done';
    const { stderr } = await drain(stream, command, [...PERSISTENT, "--stdin", form]);
    expect(stderr).toContain(`[${expected}]\n`);
  });

  test("a field's bytes that hold a line end never pass for two entries: that entry is dead-lettered", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const n of ["one", "two\nthree", "four"]) await redis.xadd(stream, "*", "n", n);
    const command = 'while read -r l; do echo "[$l]" >&2; echo ok; done';
    const { stderr } = await drain(stream, command, [...PERSISTENT, "--stdin", "field:n", "-q"]);
    expect(stderr.split("\n").filter((line) => line.startsWith("["))).toEqual(["[one]", "[four]"]);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ n: "two\nthree" }]);
  });

  test("entries of several megabytes get through, also several in a row", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (let i = 0; i < 4; i++) await redis.xadd(stream, "*", "big", "x".repeat(3_000_000));
    const argv = workerArgv(stream, "", "--until-empty", ...PERSISTENT).slice(0, -2);
    const handler =
      'process.stdin.on("data", (d) => { for (const b of d) if (b === 10) console.log("ok"); })';
    expect((await cli([...argv, "--", process.execPath, "-e", handler])).stderr).toContain("4 ok");
  });

  test("--tag prefixes stderr with the entry in hand", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const { stderr } = await drain(stream, loop("echo hello >&2; sleep 0.1; echo ok"), [
      ...PERSISTENT,
      "--tag",
    ]);
    expect(stderr).toContain(`${id} hello\n`);
  });

  test.each([
    [["--persistent", "--env-fields"], "--env-fields: not with --persistent"],
    [["--persistent", "--stdin", "none"], "--stdin none"],
  ])("refuses %j", async (flags, message) => {
    const result = await cli(workerArgv(uniqueKey(), "true", ...flags));
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(message);
  });
});
