import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/group-steps.ts";
import { missingIds } from "../../redis/streams/presence.ts";
import { entriesById } from "../../redis/streams/range.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { pendingPages, type PendingList } from "./pages.ts";

export interface PendingEntry extends PendingRow {
  readonly stream: string;
  readonly group: string;
  /** The entry's data is gone from the stream: deleted or trimmed. */
  readonly missing: boolean;
  /** Only when asked for, and not when missing. */
  readonly fields: readonly Buffer[] | undefined;
}

export interface PendingListRequest extends PendingList, PendingFilter {
  readonly payload: boolean;
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
  const { stream, group, payload, signal, limit = Number.POSITIVE_INFINITY } = request;
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
    for await (const [row, missing, fields] of found) yield { stream, group, ...row, missing, fields };
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
