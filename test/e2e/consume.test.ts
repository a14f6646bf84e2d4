import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BinRun, type BinResult, bin, PROGRAM } from "../support/bin.ts";
import { ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";
import { scratchDir } from "../support/worker.ts";

async function filled(entries: number): Promise<string> {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
  const script = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-1', 'n', i, 'note', ARGV[2]) end";
  await redis.eval(script, 1, key, entries, "left at the door");
  return key;
}

/** Runs with stdout in a file that takes no more than `kib`: a write that reaches the end of it is a short one. */
async function intoSmallFile(argv: readonly string[], kib: number): Promise<BinResult & { file: string }> {
  const path = join(await scratchDir(), "out");
  const command = `ulimit -f ${kib}; out=$0; exec "$@" > "$out"`;
  const result = await bin([], { program: ["bash", "-c", command, path, ...PROGRAM, ...argv] });
  return { ...result, file: await readFile(path, "utf8") };
}

describe("consume into a file that runs full", () => {
  test("without a group fails instead of leaving out the end", async () => {
    const key = await filled(2_000);
    const whole = await bin(["consume", key]);
    // Only the last of the writes does not fit.
    const kib = Math.floor((whole.stdoutBytes.length - 1) / 1_024);
    const { code, stderr, file } = await intoSmallFile(["consume", key], kib);
    expect(file).toHaveLength(kib * 1_024);
    expect(stderr).toContain("could not write to stdout: EFBIG");
    expect(code).toBe(1);
  });

  test("as a group's consumer acks nothing that is not in the file", async () => {
    const redis = rawRedis();
    const key = await filled(2_000);
    const { code, stderr, file } = await intoSmallFile(["consume", key, "-g", "g", "--until-empty"], 64);
    const whole = new Set(ndjson(file.slice(0, file.lastIndexOf("\n"))).map(({ id }) => id));
    const [group] = (await redis.xinfo("GROUPS", key)) as [unknown[]];
    const delivered = Number.parseInt(String(group[group.indexOf("last-delivered-id") + 1]), 10);
    const pending = await redis.xpending(key, "g", "-", "+", 2_000);
    const unacked = new Set(pending.map((row) => (row as [string])[0]));
    for (let n = 1; n <= delivered; n++) if (!unacked.has(`${n}-1`)) expect(whole).toContain(`${n}-1`);
    expect(unacked.size).toBeGreaterThan(0);
    expect(unacked.size).toBeLessThan(delivered);
    expect(stderr).toContain("could not write to stdout: EFBIG");
    expect(code).toBe(1);
  });
});

describe.skipIf(!existsSync("/proc/self/fdinfo"))("consume -g with stdout closed (seen in /proc)", () => {
  const close = 'exec "$@" >&-';

  test("refuses to ack what nobody can see", async () => {
    const key = await filled(3);
    const argv = ["consume", key, "-g", "g", "--until-empty"];
    const { code, stderr } = await bin([], {
      program: ["sh", "-c", close, "sh", ...PROGRAM, ...argv],
    });
    expect(stderr).toMatch(/^streamctl: error: stdout is closed: .*> \/dev\/null/);
    expect(code).toBe(2);
    const [group] = (await rawRedis().xinfo("GROUPS", key)) as [unknown[]];
    expect(group).toContain("0-0");
  });

  test("acks when > /dev/null says that it is meant", async () => {
    const key = await filled(3);
    const argv = ["consume", key, "-g", "g", "--until-empty"];
    const command = 'exec "$@" > /dev/null';
    const { code } = await bin([], { program: ["sh", "-c", command, "sh", ...PROGRAM, ...argv] });
    expect(code).toBe(0);
    const [group] = (await rawRedis().xinfo("GROUPS", key)) as [unknown[]];
    expect(group).toContain("3-1");
  });

  test.each([
    [close, 2, /^streamctl: error: stdout is closed: what handlers print/],
    // As many service managers start what is not to log.
    ['exec "$@" <>/dev/null >&0 2>&0', 0, /^$/],
  ])("--exec %s", async (command, expected, said) => {
    const key = await filled(3);
    const argv = ["consume", key, "-g", "g", "--until-empty", "--exec", "cat"];
    const { code, stderr } = await bin([], {
      program: ["sh", "-c", command, "sh", ...PROGRAM, ...argv],
    });
    expect(stderr).toMatch(said);
    expect(code).toBe(expected);
    const pending = (await rawRedis().xinfo("GROUPS", key)) as [unknown[]];
    expect(pending[0]).toContain(expected === 0 ? "3-1" : "0-0");
  });
});

describe("consume as a process", () => {
  test.each([[[]], [["-g", "g"]], [["-f", "--from", "-"]]])("| head ends it quietly, %j", async (flags) => {
    const key = await filled(20_000);
    const program = ["bash", "-o", "pipefail", "-c", '"$0" "$@" | head -n 2', ...PROGRAM] as const;
    const { code, stdout, stderr } = await bin(["consume", key, ...flags, "-q"], { program: [...program] });
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(ndjson(stdout).map(({ id }) => id)).toEqual(["1-1", "2-1"]);
  });

  test.each([
    [["-g", "g"], "SIGINT"],
    [["-g", "g"], "SIGTERM"],
    [["-f"], "SIGINT"],
  ] as const)("%j stops cleanly at %s", async (flags, signal) => {
    const redis = rawRedis();
    const key = await filled(0);
    const run = new BinRun(["consume", key, ...flags]);
    await until("it reads", async () => String(await redis.client("LIST")).includes("streamctl:consume"));
    await until("it waits or has printed", async () => {
      await redis.xadd(key, "*", "n", "1");
      return run.stdout !== "";
    });
    run.signal(signal);
    const { code, signal: endedBy } = await run.done;
    expect(endedBy).toBeNull();
    expect(code).toBe(0);
    const [pending] = (await redis.xpending(key, "g")) as [number];
    expect(pending).toBe(0);
  });

  test("kill -9 at any moment loses nothing: what was not acked is still there", async () => {
    const redis = rawRedis();
    const key = await filled(50_000);
    const run = new BinRun(["consume", key, "-g", "g", "--consumer", "me"]);
    await until("it prints", () => run.stdout.length > 100_000);
    run.signal("SIGKILL");
    const killed = await run.done;
    const rest = await bin(["consume", key, "-g", "g", "--consumer", "me", "--until-empty"]);
    // The last line of a killed process may be cut.
    const whole = killed.stdout.slice(0, killed.stdout.lastIndexOf("\n"));
    const seen = new Set([...ndjson(whole), ...ndjson(rest.stdout)].map(({ id }) => id));
    expect(seen.size).toBe(50_000);
    const [pending] = (await redis.xpending(key, "g")) as [number];
    expect(pending).toBe(0);
  });
});
