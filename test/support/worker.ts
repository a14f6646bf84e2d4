import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { cli, type CliOptions, type CliResult, CliRun } from "./cli.ts";

/** Short times, so that a test of retries and take-overs takes no longer than it must. */
const QUICK = ["--claim-idle", "400ms", "--retry-delay", "20ms", "--retry-max-delay", "100ms"];

export function workerArgv(stream: string, command: string, ...more: string[]): string[] {
  return ["consume", stream, "-g", "g", "--create-group", ...QUICK, ...more, "--exec", command];
}

/** Works until nothing is left in the stream and its group. */
export function drain(
  stream: string,
  command: string,
  more: string[] = [],
  options?: CliOptions,
): Promise<CliResult> {
  return cli(workerArgv(stream, command, "--until-empty", ...more), options);
}

/** A worker that goes on until the test stops it. */
export function startWorker(
  stream: string,
  command: string,
  more: string[] = [],
  options?: CliOptions,
): CliRun {
  const run = new CliRun(workerArgv(stream, command, ...more), options);
  onTestFinished(async () => {
    run.signal("SIGTERM");
    run.signal("SIGTERM");
    await run.done;
  });
  return run;
}

/** Adds entries with the fields `n` = 0, 1, …; gives their IDs. */
export async function fill(redis: Redis, stream: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await redis.xadd(stream, "*", "n", String(n))) as string);
  return ids;
}

/** How many entries are pending in group g. */
export async function pendingIn(redis: Pick<Redis, "xpending">, stream: string): Promise<number> {
  return ((await redis.xpending(stream, "g")) as [number])[0];
}

/** A dead letter as text: its `dlq.*` facts, and the names before them. */
export async function deadLetters(redis: Redis, key: string): Promise<Record<string, string>[]> {
  const entries = await redis.xrange(key, "-", "+");
  return entries.map(([, fields]) => {
    const record: Record<string, string> = {};
    for (let i = 0; i < fields.length; i += 2) record[fields[i] as string] = fields[i + 1] as string;
    return record;
  });
}

/** A folder that goes with the test. */
export async function scratchDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "streamctl-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Where handlers wait, however slow the machine, until the test has done what must come before they go on. */
export interface Gate {
  /** Shell text that waits. */
  readonly wait: string;
  readonly open: () => Promise<void>;
}

export async function closedGate(): Promise<Gate> {
  const file = join(await scratchDir(), "open");
  return { wait: `while ! test -e ${file}; do sleep 0.05; done`, open: () => writeFile(file, "") };
}

/** The lines that a handler has written to a file; none before it is there. */
export async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
}

/** Every way of running a shell command for one entry. */
export const SHELL_WAYS: [string, string[]][] = [
  ["through a waiting shell", []],
  ["as a process of its own", ["--env-fields"]],
];
