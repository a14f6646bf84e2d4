import type { WorkerState } from "../engine/worker/types.ts";
import { formatDuration } from "../units.ts";

/**
 * A turn of the worker's loop waits at most some seconds for entries and sends some commands, each of
 * which ends within the command timeout. One that takes much longer than that will not end any more.
 */
const WAITING_MS = 30_000;
const COMMANDS = 6;

export interface ProbedWorker {
  readonly state: WorkerState;
  readonly connected: boolean;
  readonly stopping: boolean;
  readonly commandTimeoutMs: number;
  /** How long ago a command that takes long, such as a large read over a slow line, made progress; Infinity: never. */
  readonly movedMsAgo: number;
}

/** Why the worker should be restarted; undefined while it makes progress, also when Redis is away. */
export function stuckReason({ state, commandTimeoutMs, movedMsAgo }: ProbedWorker): string | undefined {
  const turnMs = Math.min(state.turnMs, movedMsAgo);
  if (turnMs <= WAITING_MS + COMMANDS * commandTimeoutMs) return undefined;
  return `stuck: the loop has not come round for ${formatDuration(turnMs)}`;
}

/** Why the worker takes no entries now, or can't settle them; undefined when it does. Having no free place is no reason. */
export function notReadyReason({ state, connected, stopping }: ProbedWorker): string | undefined {
  if (stopping) return "stopping";
  if (!connected) return "waiting for Redis";
  if (!state.reading) return "not reading";
  return state.verdictsWait === undefined ? undefined : `verdicts wait: ${state.verdictsWait}`;
}
