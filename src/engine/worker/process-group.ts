import { readdir, readFile } from "node:fs/promises";
import { sleep } from "../../lib/timer.ts";

/** How a process or, with a negative number, a process group is signalled: `process.kill`, which this layer does not see. */
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
 * Whether a member is more than a zombie. Orphans of a container whose first process reaps nobody stay in
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
