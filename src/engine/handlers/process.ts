import { ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { sleep } from "../../lib/timer.ts";

export interface StartOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
}

/**
 * Starts a process as the leader of a process group of its own. What can't be started, for whatever
 * reason, is a child without a pid that emits `error`: Node throws for some reasons and emits for others.
 */
export function startProcess(program: string, args: readonly string[], options: StartOptions): ChildProcess {
  const { cwd, env, stdio } = options;
  try {
    return spawn(program, args, { cwd, env: { ...env }, stdio, detached: true });
  } catch (error) {
    const child = new ChildProcess();
    setImmediate(() => child.emit("error", error));
    return child;
  }
}

/** How a process ended; `error`: why it never started. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error: unknown;
}

/** The end of a process that is not waited for any more. */
export const KILLED: Ended = { code: null, signal: "SIGKILL", error: undefined };

export function exitOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal, error: undefined }));
    child.once("error", (error) => resolve({ code: null, signal: null, error }));
  });
}

/**
 * How a process or, with a negative number, a process group is signalled: `process.kill`, which this layer
 * does not see.
 */
export type Kill = (pid: number, signal: NodeJS.Signals | 0) => boolean;

/**
 * Ends a whole process group: TERM, then KILL to whatever is left after `graceMs`. Resolves when no member
 * runs any more (or none can be signalled). The leader may have gone long before its children.
 */
export async function endGroup(pgid: number, graceMs: number, kill: Kill): Promise<void> {
  if (!signalGroup(pgid, "SIGTERM", kill)) return;
  if (await groupGone(pgid, graceMs, kill)) return;
  signalGroup(pgid, "SIGKILL", kill);
  await groupGone(pgid, KILL_WAIT_MS, kill);
}

/** KILL can't be refused; a process stuck in the kernel must not hold the worker for ever. */
const KILL_WAIT_MS = 2_000;

async function groupGone(pgid: number, withinMs: number, kill: Kill): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let pause = 5; signalGroup(pgid, 0, kill) && (await anyRuns(pgid)); pause = Math.min(100, pause * 2)) {
    const left = deadline - performance.now();
    if (left <= 0) return false;
    await sleep(Math.min(pause, left));
  }
  return true;
}

/** False when the group has no member left, or none that this user may signal. */
function signalGroup(pgid: number, signal: NodeJS.Signals | 0, kill: Kill): boolean {
  try {
    return kill(-pgid, signal);
  } catch {
    return false;
  }
}

/**
 * Whether a member is more than a zombie. Orphans of a container whose first process reaps none stay in
 * their group for ever, and a signal still finds them. Without /proc the signal's word is all there is.
 */
async function anyRuns(pgid: number): Promise<boolean> {
  const pids = await readdir("/proc").catch(() => []);
  let readable = false;
  for (const pid of pids) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
    if (stat === undefined) continue;
    readable = true;
    // pid (command) state ppid pgrp …; the command may hold anything, also parentheses.
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(group) === pgid && state !== "Z" && state !== "X") return true;
  }
  return !readable;
}
