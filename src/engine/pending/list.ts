import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { missingIds } from "../../redis/ops/presence.ts";
import { entriesById } from "../../redis/ops/range.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { entryAgeMs, livedIdleMs, serverClock } from "./idle.ts";
import { pendingPages, type PendingList } from "./pages.ts";

export interface PendingEntry extends Omit<PendingRow, "idleMs"> {
  readonly stream: string;
  readonly group: string;
  /** Since when it stands in the stream, by its ID; null when that is no time. */
  readonly ageMs: number | null;
  /** Since it was delivered or claimed; null when somebody has set it, so that it may be taken sooner. */
  readonly idleMs: number | null;
  /** In how long a worker that has none of it in flight may take it; 0 is now. Only when asked for. */
  readonly dueInMs: number | undefined;
  /** The entry's data is gone from the stream: deleted or trimmed. */
  readonly missing: boolean;
  /** Only when asked for, and not when missing. */
  readonly fields: readonly Buffer[] | undefined;
}

export interface PendingListRequest extends PendingList, PendingFilter {
  readonly payload: boolean;
  /** After how long a time workers take an entry of so many deliveries, in ms, by their own settings. */
  readonly takenAfter?: ((deliveries: number) => number) | undefined;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many pending entries were looked at. */
  readonly onProgress?: (seen: number) => void;
}

/**
 * The pending entries that the filter lets through, oldest ID first. Filtering happens here, page by page:
 * XPENDING IDLE would hold up the server over a long list.
 */
export async function* listPending(
  connection: Connection,
  request: PendingListRequest,
): AsyncGenerator<PendingEntry> {
  const { stream, group, payload, takenAfter, signal, limit = Number.POSITIVE_INFINITY } = request;
  const clock = await serverClock(connection);
  const pages = pendingPages(connection, request);
  let left = limit;
  let seen = 0;
  while (left > 0 && !signal.aborted) {
    const { value: page } = await onStream(connection, stream, group, () => pages.next());
    if (!page) return;
    seen += page.length;
    request.onProgress?.(seen);
    const chosen = page.filter((row) => isChosen(row, request)).slice(0, left);
    left -= chosen.length;
    if (chosen.length === 0) continue;
    const found = payload ? withData(connection, stream, chosen) : withPresence(connection, stream, chosen);
    const nowMs = clock();
    for await (const [row, missing, fields] of found) {
      const { id, consumer, deliveries } = row;
      const ageMs = entryAgeMs(id, nowMs);
      const idleMs = livedIdleMs(row, nowMs);
      yield {
        stream,
        group,
        id,
        consumer,
        ageMs,
        idleMs,
        dueInMs: takenAfter && Math.max(0, Math.round(takenAfter(deliveries)) - row.idleMs),
        deliveries,
        missing,
        fields,
      };
    }
  }
}

type Looked = readonly [row: PendingRow, missing: boolean, fields: readonly Buffer[] | undefined];

async function* withData(
  connection: Connection,
  stream: string,
  rows: readonly PendingRow[],
): AsyncGenerator<Looked> {
  let at = 0;
  for await (const entry of entriesById(
    connection,
    stream,
    rows.map(({ id }) => id),
  )) {
    yield [rows[at++] as PendingRow, entry === undefined, entry?.fields];
  }
}

async function* withPresence(
  connection: Connection,
  stream: string,
  rows: readonly PendingRow[],
): AsyncGenerator<Looked> {
  const missing = await missingIds(
    connection,
    stream,
    rows.map(({ id }) => id),
  );
  for (const row of rows) yield [row, missing.has(row.id), undefined];
}
