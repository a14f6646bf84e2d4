import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { livedIdleMs, serverClock } from "./idle.ts";
import { pendingPages, type PendingList } from "./pages.ts";

/** What is pending for one consumer. */
export interface ConsumerPending {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly consumer: string;
  readonly pending: number;
  /** The oldest and the newest of its pending entries. */
  readonly minId: string;
  readonly maxId: string;
  /** How long the entry that has waited longest was not delivered or claimed; null when all idle times were set. */
  readonly maxIdleMs: number | null;
}

/**
 * Adds up what the filter lets through of the pending list per consumer, in the order of their names. The list is read page by page, so it
 * takes the memory of one page and one row per consumer; `onProgress` hears how many entries were seen.
 */
export async function pendingSummary(
  connection: Connection,
  list: PendingList,
  options: PendingFilter & { readonly signal: AbortSignal; readonly onProgress?: (seen: number) => void },
): Promise<ConsumerPending[]> {
  const { stream, group } = list;
  const rows = new Map<string, { -readonly [Key in keyof ConsumerPending]: ConsumerPending[Key] }>();
  let seen = 0;
  const clock = await serverClock(connection);
  await onStream(connection, stream, group, async () => {
    for await (const page of pendingPages(connection, list)) {
      const nowMs = clock();
      for (const found of page.filter((row) => isChosen(row, options))) {
        const { id, consumer } = found;
        const idleMs = livedIdleMs(found, nowMs);
        const row = rows.get(consumer);
        if (row) {
          row.pending++;
          row.maxId = id;
          if (idleMs !== null) row.maxIdleMs = Math.max(row.maxIdleMs ?? 0, idleMs);
        } else {
          rows.set(consumer, {
            stream,
            group,
            consumer,
            pending: 1,
            minId: id,
            maxId: id,
            maxIdleMs: idleMs,
          });
        }
      }
      seen += page.length;
      options.onProgress?.(seen);
      if (options.signal.aborted) break;
    }
  });
  return [...rows.values()].sort((a, b) => (a.consumer < b.consumer ? -1 : 1));
}
