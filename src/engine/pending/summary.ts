import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { livedIdleMs, serverClock } from "./idle.ts";
import { pendingPages, type PendingList } from "./pages.ts";
import { whoseDataFits } from "./with-data.ts";

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
  const clock = await serverClock(connection);
  const count = (found: PendingRow, nowMs: number | null): void => {
    const { id, consumer } = found;
    const idleMs = livedIdleMs(found, nowMs);
    const row = rows.get(consumer);
    if (row) {
      row.pending++;
      row.maxId = id;
      if (idleMs !== null) row.maxIdleMs = Math.max(row.maxIdleMs ?? 0, idleMs);
    } else {
      rows.set(consumer, { stream, group, consumer, pending: 1, minId: id, maxId: id, maxIdleMs: idleMs });
    }
  };
  const { where, signal } = options;
  await onStream(connection, stream, group, async () => {
    const chosen = chosenPages(connection, list, options);
    if (!where) for await (const page of chosen) for (const row of page) count(row, clock());
    else
      for await (const page of whoseDataFits(connection, { stream, signal }, chosen, where))
        for (const [row] of page) count(row, clock());
  });
  return [...rows.values()].sort((a, b) => (a.consumer < b.consumer ? -1 : 1));
}

/** What the filter lets through by itself; `onProgress` hears of all. */
async function* chosenPages(
  connection: Connection,
  list: PendingList,
  options: Parameters<typeof pendingSummary>[2],
): AsyncGenerator<PendingRow[]> {
  let seen = 0;
  for await (const page of pendingPages(connection, list)) {
    yield page.filter((row) => isChosen(row, options));
    seen += page.length;
    options.onProgress?.(seen);
    if (options.signal.aborted) return;
  }
}
