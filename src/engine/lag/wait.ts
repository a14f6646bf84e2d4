import type { StreamKey } from "../../entry/names.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { type GroupLag, groupLags, type LagRequest } from "./lag.ts";
import { LagMemory } from "./lag-memory.ts";

const POLL_MS = 500;

export interface WaitRequest extends Omit<LagRequest, "streams"> {
  /** The streams of the moment: patterns may match others by the next look. */
  readonly streams: () => readonly StreamKey[];
  /** Undefined: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Hears the groups that are not drained yet, at every look. */
  readonly onLook?: (behind: readonly GroupLag[]) => void;
}

/**
 * Looks at the groups until each has been given everything and has nothing pending, the time is over or
 * the signal aborts. Gives the rows of the last look.
 */
export async function waitUntilDrained(
  connection: Connection,
  request: WaitRequest,
): Promise<{ readonly drained: boolean; readonly rows: readonly GroupLag[] }> {
  const { signal, streams, budget, timeoutMs = Number.POSITIVE_INFINITY } = request;
  const deadline = performance.now() + timeoutMs;
  const memory = new LagMemory();
  for (;;) {
    // What has been counted once is not counted anew every half second.
    const look = { ...request, streams: streams(), budget: budget && { ...budget }, memory };
    const rows: GroupLag[] = await groupLags(connection, look);
    const behind = rows.filter((row) => row.lag !== 0 || row.pending > 0);
    request.onLook?.(behind);
    const left = deadline - performance.now();
    if (behind.length === 0 || left <= 0 || signal.aborted) return { drained: behind.length === 0, rows };
    await sleep(Math.min(POLL_MS, left), signal);
  }
}
