import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { BinRun, PROGRAM } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";

/** The most memory that a process has held so far, in MB. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}

async function feed(run: BinRun, chunk: string): Promise<void> {
  if (!run.stdin.write(chunk)) await once(run.stdin, "drain");
}

describe("produce as a process", () => {
  test.runIf(process.platform === "linux")(
    "memory does not grow with the input: 300 MB pass through less than 150 MB",
    async () => {
      const key = uniqueKey();
      const redis = rawRedis();
      const run = new BinRun(["produce", key, "--maxlen", "100"], { stdin: { open: true } });
      const line = `${JSON.stringify({ id: 7, text: `${"x".repeat(400)}\n"é"${"y".repeat(580)}` })}\n`;
      const chunk = line.repeat(1_000);
      const chunks = Math.ceil(300_000_000 / Buffer.byteLength(chunk));
      for (let i = 0; i < chunks; i++) await feed(run, chunk);
      await feed(run, '{"last":"1"}\n');
      await until("the last line is in Redis", async () => {
        const [entry] = await redis.xrevrange(key, "+", "-", "COUNT", 1);
        return entry?.[1][0] === "last";
      });
      const peak = await peakMemory(run.pid);
      run.stdin.end();
      const { code, stderr } = await run.done;
      expect(code).toBe(0);
      expect(stderr.replaceAll("\u202f", "")).toContain(`${chunks * 1_000 + 1} entries in ${key}`);
      expect(peak).toBeLessThan(150);
    },
  );

  test("a folder on stdin is said, wherever stdin is read", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const shell = ["sh", "-c", 'exec "$0" "$@" < /', ...PROGRAM] as const;
    for (const [argv, exit] of [
      [["produce", key], 2],
      [["ack", key, "-g", "g", "-"], 1],
    ] as const) {
      const { code, stderr } = await new BinRun([...argv], { program: [...shell] }).done;
      expect(code).toBe(exit);
      expect(stderr).toMatch(/stdin: it is a directory/);
    }
  });

  test("Ctrl-C with stdin still open: the process ends by itself with 130", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const run = new BinRun(["produce", key], { stdin: { open: true } });
    run.stdin.write('{"n":"1"}\n{"half":');
    await until("the line is in Redis", async () => (await redis.xlen(key)) === 1);
    run.signal("SIGINT");
    const { code, stderr } = await run.done;
    expect(code).toBe(130);
    expect(stderr).toContain("every line up to 1 is done; resume with --skip-lines 1");
  });

  test("kill -9 in the middle, then the whole input again with the same keys: each entry is there once", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const lines = Array.from({ length: 20_000 }, (_, i) => `{"n":"${i + 1}"}\n`).join("");
    const args = ["produce", key, "--idempotency-key", "n", "--partitions", "3", "--partition-by", "n"];
    const lengths = (): Promise<number[]> => Promise.all([0, 1, 2].map((i) => redis.xlen(`${key}:${i}`)));
    const total = async (): Promise<number> => (await lengths()).reduce((sum, length) => sum + length, 0);
    const first = new BinRun(args, { stdin: { open: true } });
    first.stdin.on("error", () => {});
    first.stdin.write(lines);
    await until("some are in Redis", async () => (await total()) > 0);
    first.signal("SIGKILL");
    expect((await first.done).signal).toBe("SIGKILL");
    const again = await new BinRun(args, { stdin: lines }).done;
    expect(again.code).toBe(0);
    expect(again.stderr).toMatch(/there already/);
    expect(await total()).toBe(20_000);
  });

  test("when the reader of --ids goes, it ends quietly, and says what is in Redis", async () => {
    const key = uniqueKey();
    const redis = rawRedis();
    const run = new BinRun(["produce", key, "--ids"], { stdin: { open: true } });
    run.stdin.write('{"n":"1"}\n');
    await until("the first ID is printed", () => run.stdout.includes("-"));
    run.stdoutStream.destroy();
    run.stdin.write('{"n":"2"}\n');
    const { code, stderr } = await run.done;
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/error|EPIPE/);
    expect(stderr).toContain(`${await redis.xlen(key)} entries in ${key}`);
  });
});
