import { sleep } from "../../redis/backoff.ts";

/** How a process is signalled; the worker hands in `process.kill`, which this layer does not see. */
export type Kill = (pid: number, signal: NodeJS.Signals | 0) => boolean;

/**
 * Ends a whole process group: TERM, then KILL to whatever is left after `graceMs`. Resolves when no member
 * is left (or none can be signalled any more). The leader may have gone long before its children.
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
  const deadline = Date.now() + withinMs;
  for (let pause = 5; signalGroup(pgid, 0, kill); pause = Math.min(100, pause * 2)) {
    const left = deadline - Date.now();
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
