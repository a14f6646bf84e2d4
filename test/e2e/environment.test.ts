import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { bin, BinRun, type BinResult, PROGRAM } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { fill, pendingIn, scratchDir } from "../support/worker.ts";

/** streamctl under a limit that a shell sets first. */
function limited(limit: string): { readonly program: [string, ...string[]] } {
  return { program: ["bash", "-c", `${limit} && exec "$@"`, "bash", ...PROGRAM] };
}

function argv(stream: string, ...more: string[]): string[] {
  const batch = more.includes("--batch") ? ["--batch-wait", "10ms"] : [];
  return ["consume", stream, "-g", "g", "--create-group", "--claim-idle", "60s", ...batch, ...more];
}

/** Every manner of running a command that reads its stdin and answers; `last` comes after what it has read. */
function manners(read: string): [string, string[]][] {
  const loop = `while read -r line; do printf '%s' "$line" | ${read}; echo ok; done`;
  return [
    ["a shell command", ["--exec", read]],
    ["a shell command as a process of its own", ["--env-fields", "--exec", read]],
    ["a program", ["--", "sh", "-c", read]],
    ["a batch", ["--batch", "2", "--exec", read]],
    ["a batch's program", ["--batch", "2", "--", "sh", "-c", read]],
    ["a persistent command", ["--persistent", "--exec", loop]],
  ];
}

describe("a limit on the size of files", () => {
  test.each(manners("wc -c >&2"))("shortens no input: %s", async (_, command) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const size of [700_000, 5]) await redis.xadd(stream, "*", "big", "x".repeat(size));
    const more = ["--until-empty", "--max-deliveries", "1", "--stdin", "field:big", ...command];
    const result = await bin(argv(stream, ...more), limited("ulimit -f 0"));
    expect(result.stderr).toContain("2 ok, 0 dead-lettered, 0 retried");
    const read = result.stderr.match(/^\s*\d+$/gm)?.map(Number);
    expect(read).toEqual(command.includes("--batch") ? [700_007] : [700_000, 5]);
  });
});

describe("few file descriptors", () => {
  const some = manners("cat >/dev/null").filter((_, at) => at % 2 === 0);
  const alone = some.filter(([name]) => name === "a program");
  // As many as pipes that are kept for further runs would take, and some more or less.
  const limits = [53, 58].flatMap((limit) => alone.map(([name, command]) => [name, command, limit] as const));
  test.each([...some.map(([name, command]) => [name, command, 56] as const), ...limits])(
    "cost no entry a delivery, and no worker stands still: %s",
    async (_, command, limit) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 24);
      const times = ["--until-empty", "--retry-delay", "20ms", "--max-deliveries", "1", "-j", "12"];
      const result = await bin(argv(stream, ...times, ...command), limited(`ulimit -n ${limit}`));
      expect(result.code).toBe(0);
      expect(result.stderr).toContain("24 ok, 0 dead-lettered");
      expect(await pendingIn(redis, stream)).toBe(0);
    },
  );
});

/** Root is exempt from the limit, and everybody else has an unknown number of processes. */
const canBecomeOther = process.getuid?.() === 0;
if (!canBecomeOther) console.log("not run: few processes (needs root, to become a user without any)");

describe.skipIf(!canBecomeOther)("few processes", () => {
  // What a handler's own shell can't start is the handler's failure.
  test.each(manners("exec cat >/dev/null").slice(0, 4))(
    "cost no entry a delivery, and leave no pipes with names: %s",
    async (_, command) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 24);
      const uid = 200_000 + Math.floor(Math.random() * 100_000);
      const other = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"] as const;
      const program = [...other, "prlimit", "--nproc=18", ...PROGRAM] as const;
      const times = ["--until-empty", "--retry-delay", "20ms", "--max-deliveries", "1", "-j", "12"];
      const result = await bin(argv(stream, ...times, ...command), {
        program,
        cwd: "/",
        env: { HOME: "/nonexistent" },
      });
      expect(result.stderr).toContain("24 ok, 0 dead-lettered");
      expect(result.code).toBe(0);
      const left = await promisify(execFile)("find", ["/dev/shm", "-uid", String(uid)]).catch(
        () => undefined,
      );
      expect(left?.stdout ?? "").toBe("");
    },
  );
});

/** Every manner of naming what a handler has, in a place of its own where /dev/shm is of no use. */
const mounts = spawnSync("sh", ["-c", "unshare -m mount -t tmpfs none /dev/shm"]).status === 0;
if (!mounts) console.log("not run: a /dev/shm that is of no use (needs unshare -m)");

describe.skipIf(!mounts)("a /dev/shm that is of no use", () => {
  const SHMS = ["-o ro", "-o nr_inodes=1", "-o size=4k"];
  const named = manners("cat /dev/stdin >/dev/null; echo err >/dev/stderr; echo out >/dev/stdout");

  test.each(SHMS.flatMap((shm) => named.slice(0, 5).map(([name, command]) => [shm, name, command] as const)))(
    "costs handlers nothing: %s, %s",
    async (shm, _, command) => {
      const redis = rawRedis();
      const stream = uniqueKey();
      await fill(redis, stream, 4);
      const mount = `mount -t tmpfs ${shm} none /dev/shm; head -c 4096 /dev/zero >/dev/shm/full; exec "$@"`;
      const program = ["unshare", "-m", "sh", "-c", mount, "sh", ...PROGRAM] as const;
      const more = ["--until-empty", "--max-deliveries", "1", "--timeout", "60s", ...command];
      const result = await bin(argv(stream, ...more), { program });
      expect(result.stderr).toContain("4 ok, 0 dead-lettered");
      expect(result.stdout).toMatch(/^out$/m);
    },
  );
});

describe("a worker that is killed", () => {
  const HUNG = (dir: string): string =>
    `trap '' TERM; sleep 0.2; echo $$ > ${dir}/hung; sleep 600 & while :; do wait; done`;

  test.each([
    ["a shell command", (dir: string) => ["--exec", HUNG(dir)]],
    ["a program", (dir: string) => ["--", "sh", "-c", HUNG(dir)]],
    ["a batch", (dir: string) => ["--batch", "1", "--exec", HUNG(dir)]],
    ["a persistent command", (dir: string) => ["--persistent", "--exec", HUNG(dir)]],
  ])("takes its hung handlers along: %s", async (_, command) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const run = new BinRun(argv(stream, "--kill-after", "200ms", ...command(dir)));
    await until("the handler hangs", () => existsSync(`${dir}/hung`));
    run.signal("SIGKILL");
    await run.done;
    await run.untilGone();
  });

  test("leaves alone what handlers left behind on purpose", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    const command = `sleep 600 >/dev/null 2>&1 & echo $! > ${dir}/daemon`;
    const run = new BinRun(argv(stream, "--exec", command));
    await until(
      "it is acked",
      async () => existsSync(`${dir}/daemon`) && (await pendingIn(redis, stream)) === 0,
    );
    run.signal("SIGKILL");
    await run.done;
    const left = async (): Promise<string[]> => (await run.processes()).map((process) => process.command);
    await until("all else is gone", async () => (await left()).length === 1);
    expect(await left()).toEqual(["sleep 600"]);
    process.kill(Number(await readFile(`${dir}/daemon`, "utf8")), "SIGKILL");
  });
});

describe("a working directory that was deleted", () => {
  async function inDeleted(...args: string[]): Promise<BinResult> {
    const dir = await scratchDir();
    const script = `cd "$0" && rmdir "$0" && exec "$@"`;
    return bin(args, { program: ["sh", "-c", script, dir, ...PROGRAM] });
  }

  test("keeps nothing from running that needs none", async () => {
    expect(await inDeleted("--version")).toMatchObject({ code: 0, stderr: "" });
    expect(await inDeleted("ls", `${uniqueKey()}*`)).toMatchObject({ code: 0, stdout: "" });
  });

  test("is named by a worker, which does not start", async () => {
    const result = await inDeleted(...argv(uniqueKey(), "--exec", "true"));
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^streamctl: error: the working directory \/.* is gone/);
  });
});

test("SIGHUP does not stop what has no terminal, as with nohup; SIGTERM does", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const run = new BinRun(argv(stream, "--exec", "echo run"));
  await until("it works", () => run.stdout === "run\n");
  run.signal("SIGHUP");
  await fill(redis, stream, 1);
  await until("it works on", () => run.stdout === "run\nrun\n");
  run.signal("SIGTERM");
  expect((await run.done).code).toBe(0);
});

test.skipIf(!existsSync("/dev/full"))(
  "a stderr that takes nothing changes no exit code (needs /dev/full)",
  async () => {
    const key = uniqueKey();
    const into = async (argv: readonly string[], stdin = ""): Promise<BinResult> => {
      const program = ["sh", "-c", '"$@" 2>/dev/full', "sh", ...PROGRAM, ...argv] as const;
      return bin([], { program: [...program], stdin });
    };
    expect((await into(["produce", key], '{"a":"1"}\n')).code).toBe(0);
    expect(await into(["consume", key, "-o", "raw"])).toMatchObject({ code: 0, stdout: "1\n" });
    const argv = ["consume", key, "-g", "g", "--create-group", "--until-empty", "--exec", "cat"];
    expect((await into(argv)).code).toBe(0);
    expect((await into(["info", `${key}:nowhere`])).code).toBe(4);
    expect((await into(["info", "--nonsense"])).code).toBe(2);
  },
);
