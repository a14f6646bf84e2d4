import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, CliRun, uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import {
  deadLetters,
  drain,
  fill,
  linesOf,
  pendingIn,
  scratchDir,
  SHELL_WAYS,
  startWorker,
  workerArgv,
} from "../../support/worker.ts";

/** Writes the process group in which a handler runs: its number is that of the waiting shell. */
const GROUP = "cut -d ' ' -f 5 /proc/self/stat";

/** Whether it is more than a process that nobody has buried yet. */
async function runs(pid: string | undefined): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

describe("what a waiting shell is asked and answers", () => {
  test("a failing command that prints every process' command line and variables acks nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 20);
    const show = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; set; exit 3";
    const result = await drain(stream, `{ ${show}; } 2>/dev/null`, ["-j", "4", "--max-deliveries", "1"]);
    expect(result.stderr).toContain(" 0 ok, ");
    const reasons = (await deadLetters(redis, `${stream}:dlq`)).map((letter) => letter["dlq.reason"]);
    expect(reasons).toEqual(Array.from({ length: 20 }, () => "exit 3"));
  });

  test("a command that writes what it has been given to every descriptor it can name acks nothing", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 6);
    const write =
      'for fd in 3 4 5 6 7 8 9; do (set; echo "ok 0" "$STREAMCTL_ID") >&$fd; done 2>/dev/null; exit 3';
    const result = await drain(stream, write, ["--max-deliveries", "1"]);
    expect(result.stderr).toContain("0 ok, 6 dead-lettered");
  });

  test("an idle shell that is killed is replaced: the next entry runs, once", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const worker = startWorker(stream, `${GROUP} >> ${dir}/shells; cat /dev/null`, ["--claim-idle", "60s"]);
    for (let n = 1; n <= 4; n++) {
      await fill(redis, stream, 1);
      await until("the entry has run", async () => (await linesOf(`${dir}/shells`)).length === n);
      await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
      const shells = await linesOf(`${dir}/shells`);
      process.kill(Number(shells.at(-1)), "SIGKILL");
    }
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("4 ok, 0 dead-lettered, 0 retried");
    expect(new Set(await linesOf(`${dir}/shells`)).size).toBe(4);
  });

  test("a process left behind that kills its whole group touches no other entry", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 8);
    const dir = await scratchDir();
    // Each but the last leaves one behind, which strikes when the next run has begun and waits for it.
    const left = `(until [ $(wc -l < ${dir}/runs) -gt $n ]; do sleep 0.02; done; touch ${dir}/struck-$n; kill -9 0) &`;
    const command = `echo >> ${dir}/runs; n=$(wc -l < ${dir}/runs)
      [ $n = 1 ] || until [ -e ${dir}/struck-$((n - 1)) ]; do sleep 0.02; done
      if [ $n -lt 8 ]; then ${left} fi; sleep 0.1; exit 0`;
    const result = await drain(stream, command, ["--claim-idle", "60s"]);
    expect(result.stderr).toContain("8 ok, 0 dead-lettered, 0 retried");
  });

  test("a shell killed while its handler runs: the entry is retried, and the handler does not go on beside it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const command = `echo $STREAMCTL_DELIVERIES >> ${dir}/runs; if [ $STREAMCTL_DELIVERIES = 1 ]; then
      sh -c 'echo $PPID' > ${dir}/pid; kill -9 $(${GROUP}); sleep 60; fi`;
    const result = await drain(stream, command, ["--claim-idle", "60s", "--kill-after", "200ms"]);
    expect(result.stderr).toContain("1 ok, 0 dead-lettered, 1 retried");
    expect(result.stderr).toContain("failed (signal KILL)");
    expect(await linesOf(`${dir}/runs`)).toEqual(["1", "2"]);
    expect(await runs((await linesOf(`${dir}/pid`))[0])).toBe(false);
  });

  test("a shell that takes long to begin loses nothing of what its handler prints, and the next run gets none of it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const command = `${GROUP} >> ${dir}/shells; cat`;
    const worker = startWorker(stream, command, ["--claim-idle", "60s", "--emit", `${stream}:out`]);
    const [first] = await fill(redis, stream, 1);
    await until("the first has run", async () => (await linesOf(`${dir}/shells`)).length === 1);
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    const shell = Number((await linesOf(`${dir}/shells`))[0]);
    process.kill(shell, "SIGSTOP");
    const [second] = await fill(redis, stream, 1);
    await until("it is with the shell", async () => (await pendingIn(redis, stream)) === 1);
    // The worker looks at the output of a run that lasts, though the shell has not opened its pipes.
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.kill(shell, "SIGCONT");
    const [third] = await fill(redis, stream, 1);
    await until("all are acked", async () => (await linesOf(`${dir}/shells`)).length === 3);
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("3 ok, 0 dead-lettered, 0 retried");
    const rows = await redis.xrange(`${stream}:out`, "-", "+");
    const ids = rows.map(([, fields]) => fields[fields.indexOf("id") + 1]);
    expect(ids).toEqual([first, second, third]);
  });

  test("a stopped shell is ended by --timeout, and the entry is retried", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const more = ["--claim-idle", "60s", "--timeout", "2s", "--kill-after", "100ms"];
    const worker = startWorker(stream, `${GROUP} >> ${dir}/shells; cat /dev/null`, more);
    await until("it has run", async () => (await linesOf(`${dir}/shells`)).length === 1);
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    process.kill(Number((await linesOf(`${dir}/shells`))[0]), "SIGSTOP");
    await fill(redis, stream, 1);
    await until("it has run again", async () => (await linesOf(`${dir}/shells`)).length === 2);
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    worker.signal("SIGTERM");
    expect((await worker.done).stderr).toContain("failed (timeout 2.0s)");
  });
});

describe("what a run leaves behind", () => {
  test.each(SHELL_WAYS)("comes too late for the next entry's --emit and dead letter (%s)", async (_, way) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const dir = await scratchDir();
    const late = `(until [ -e ${dir}/second ]; do sleep 0.02; done; echo late; echo late >&2; touch ${dir}/said) &`;
    const command = `echo run >> ${dir}/runs; if [ $(wc -l < ${dir}/runs) = 1 ]; then ${late} echo first; exit; fi
      touch ${dir}/second; until [ -e ${dir}/said ]; do sleep 0.02; done; sleep 0.1; echo mine >&2; exit 65`;
    const out = uniqueKey("out");
    const result = await drain(stream, command, [...way, "--emit", out]);
    expect(result.stderr).toContain("1 ok, 1 dead-lettered");
    expect((await redis.xrange(out, "-", "+")).map(([, fields]) => fields)).toEqual([["payload", "first"]]);
    expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.stderr": "mine\n" }]);
  });

  test("says nothing about a later run of the same batch on fd 3", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const late = `(until [ -e ${dir}/again ]; do sleep 0.02; done; echo "$id dead too late" >&3; touch ${dir}/said) &`;
    const command = `read -r l; id=\${l#*'"id":"'}; id=\${id%%'"'*}; case $l in
      *'"deliveries":1'*) ${late} exit 1;;
      *) touch ${dir}/again; until [ -e ${dir}/said ]; do sleep 0.02; done; sleep 0.1;; esac`;
    const result = await drain(stream, command, ["--batch", "5", "--batch-wait", "10ms"]);
    expect(result.stderr).toContain("1 ok, 0 dead-lettered, 1 retried");
  });
});

describe("a command that can't be run", () => {
  test.each([
    ["half a program", "if true"],
    ["several lines, of which one can't be parsed", "printf 'x\\n'\nif"],
    ["an end that is not its own", "true ) </dev/null; exit 3; ( true"],
    ["an end of a loop that is not its own", "done; exit 3"],
    ["a quote without an end", "echo 'x"],
  ])("is refused before anything is taken when it is %s", async (_, command) => {
    const redis = rawRedis();
    for (const way of [[], ["--persistent"], ["--batch", "5"], ["--env-fields"]]) {
      const stream = uniqueKey();
      await fill(redis, stream, 2);
      const result = await drain(stream, command, way);
      expect(result.code).toBe(2);
      expect(result.stderr).toContain("--exec: the shell can't read the command: ");
      expect(await redis.xinfo("GROUPS", stream)).toEqual([]);
    }
  });

  test("is not refused for a word that is an alias only once it runs", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const { stdout } = await drain(stream, "alias when='if'\nwhen true; then echo yes; fi");
    expect(stdout).toBe("yes\n");
  });

  test.each([
    ["a program", ["--", "./handler"]],
    ["a shell command", ["--exec", "./handler"]],
    ["a shell command as a process of its own", ["--env-fields", "--exec", "./handler"]],
    ["a batch", ["--batch", "2", "--exec", "./handler"]],
    ["a batch's program", ["--batch", "2", "--", "./handler"]],
    ["a persistent program", ["--persistent", "--", "./handler"]],
  ])("for want of the working directory counts against no entry: %s", async (_, command) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const dir = await scratchDir();
    const cwd = `${dir}/app`;
    const handler = `#!/bin/sh\nread -r l && echo "$l" >> ${dir}/lines && echo ok\n`;
    const install = async (): Promise<void> => {
      await mkdir(`${dir}/new`);
      await writeFile(`${dir}/new/handler`, handler, { mode: 0o755 });
      await rename(`${dir}/new`, cwd);
    };
    await install();
    const times = ["--claim-idle", "60s", "--retry-delay", "20ms", "--max-deliveries", "1"];
    const argv = [
      "consume",
      stream,
      "-g",
      "g",
      "--create-group",
      "--batch-wait",
      "10ms",
      ...times,
      ...command,
    ];
    if (!command.includes("--batch")) argv.splice(argv.indexOf("--batch-wait"), 2);
    const worker = new CliRun(argv, { cwd });
    onTestFinished(async () => {
      worker.signal("SIGTERM");
      await worker.done;
    });
    await fill(redis, stream, 1);
    await until("it has run", async () => (await linesOf(`${dir}/lines`)).length === 1);
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    await rm(cwd, { recursive: true });
    await fill(redis, stream, 1);
    await until("it says so", () => worker.stderr.includes(`the working directory ${cwd} is gone`));
    await install();
    await until("the entry has run", async () => (await linesOf(`${dir}/lines`)).length === 2);
    await until("it is acked", async () => (await pendingIn(redis, stream)) === 0);
    expect(await redis.exists(`${stream}:dlq`)).toBe(0);
  });

  test("is refused in a directory that is not there", async () => {
    const result = await cli(workerArgv(uniqueKey(), "true"), { cwd: "/nonexistent/app" });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("the working directory /nonexistent/app is gone");
  });
});

describe("--timeout 0", () => {
  test.each([...SHELL_WAYS, ["in batches", ["--batch", "2"]]] as [string, string[]][])(
    "is none, %s",
    async (_, way) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 1);
      const result = await drain(stream, "sleep 0.1", [...way, "--timeout", "0"]);
      expect(result.stderr).toContain("1 ok, 0 dead-lettered, 0 retried");
    },
  );
});

/** Programs that read and write their own descriptors by name. */
const NAMED = "cat /dev/stdin; echo out > /dev/stdout; echo err > /dev/stderr";

describe("the names of a handler's descriptors", () => {
  test.each([
    ["through a waiting shell", ["--exec", NAMED]],
    ["as a process of its own", ["--env-fields", "--exec", NAMED]],
    ["as a program", ["--", "sh", "-c", NAMED]],
    ["with an input of several megabytes", ["--stdin", "field:big", "--", "sh", "-c", NAMED]],
    ["in a batch", ["--batch", "2", "--exec", NAMED]],
    ["as a batch's program", ["--batch", "2", "--", "sh", "-c", NAMED]],
  ])("can be opened %s", async (_, command) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const big = "x".repeat(3_000_000);
    await redis.xadd(stream, "*", "n", "1", "big", big);
    const argv = workerArgv(stream, "", "--until-empty", "--max-deliveries", "1").slice(0, -2);
    const result = await cli([...argv, ...command]);
    expect(result.stderr).toContain("1 ok, 0 dead-lettered");
    expect(result.stderr).toContain("err\n");
    expect(result.stdout.includes(big)).toBe(true);
    expect(result.stdout.endsWith("out\n")).toBe(true);
  });

  test.each([[100_000], [3_000_000]])(
    "show the end of %i bytes of input to what opens it late",
    async (size) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await redis.xadd(stream, "*", "big", "x".repeat(size));
      const late = "wc -c; cat /dev/stdin > /dev/null; echo behind it";
      const result = await drain(stream, late, [
        "--stdin",
        "field:big",
        "--max-deliveries",
        "1",
        "--timeout",
        "20s",
      ]);
      expect(result.stderr).toContain("1 ok, 0 dead-lettered");
      expect(result.stdout).toBe(`${size}\nbehind it\n`);
    },
  );

  test("can be opened by a persistent command, and a batch's fd 3", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const loop = "while read -r l; do echo note > /dev/stderr; echo ok > /dev/stdout; done < /dev/stdin";
    const persistent = await drain(stream, loop, ["--persistent"]);
    expect(persistent.stderr).toContain("3 ok, 0 dead-lettered, 0 retried");
    expect(persistent.stderr).toContain("note\n");
    const batch = uniqueKey();
    const [id] = await fill(redis, batch, 2);
    const say = `echo "${id} dead by name" > /dev/fd/3`;
    expect((await drain(batch, say, ["--batch", "2"])).stderr).toContain("1 ok, 1 dead-lettered");
  });
});

describe("--stdin field:NAME", () => {
  const MANNERS: [string, string[]][] = [
    ...SHELL_WAYS,
    ["persistent", ["--persistent"]],
    ["in batches", ["--batch", "5"]],
  ];
  const HANDLER = 'while read -r l; do echo "[$l]" >&2; echo ok; done';

  test.each(MANNERS)(
    "never runs on nothing: an entry without the field is dead-lettered (%s)",
    async (_, way) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await redis.xadd(stream, "*", "other", "1");
      await redis.xadd(stream, "*", "name", "x");
      const result = await drain(stream, HANDLER, [...way, "--stdin", "field:name"]);
      expect(result.stderr).toContain("1 ok, 1 dead-lettered, 0 retried");
      expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
        { other: "1", "dlq.reason": "no field name", "dlq.deliveries": "1" },
      ]);
    },
  );

  test.each(MANNERS)("with a ? behind it runs on nothing where the field is missing (%s)", async (_, way) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "other", "1");
    await redis.xadd(stream, "*", "name", "x");
    const result = await drain(stream, HANDLER, [...way, "--stdin", "field:name?"]);
    expect(result.stderr).toContain("2 ok, 0 dead-lettered, 0 retried");
  });
});
