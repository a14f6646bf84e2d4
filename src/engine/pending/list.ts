import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { missingIds } from "../../redis/ops/presence.ts";
import { onStream } from "../groups/missing.ts";
import { UnderWay } from "../under-way.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { entryAgeMs, livedIdleMs, serverClock } from "./idle.ts";
import { PAGE_MS, pendingPages, type PendingList } from "./pages.ts";
import { whoseDataFits, withData } from "./with-data.ts";

export interface PendingEntry extends Omit<PendingRow, "idleMs"> {
  readonly stream: StreamKey;
  readonly group: GroupName;
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
  const { stream, group, payload, takenAfter, limit = Number.POSITIVE_INFINITY } = request;
  const clock = await serverClock(connection);
  let left = limit;
  if (left <= 0) return;
  for await (const page of lookedAt(connection, request, chosenPages(connection, request, clock))) {
    for (const { row, nowMs, missing, fields } of page) {
      const { id, consumer, deliveries } = row;
      yield {
        stream,
        group,
        id,
        consumer,
        ageMs: entryAgeMs(id, nowMs),
        idleMs: livedIdleMs(row, nowMs),
        dueInMs: takenAfter && Math.max(0, Math.round(takenAfter(deliveries)) - row.idleMs),
        deliveries,
        missing,
        fields: payload ? fields : undefined,
      };
      if (--left === 0) return;
    }
  }
}

/** A row that the filter lets through by itself, and when it was read. */
interface Chosen {
  readonly id: EntryId;
  readonly row: PendingRow;
  readonly nowMs: number | null;
}

interface Looked extends Chosen {
  readonly missing: boolean;
  /** Where its data was looked up, and is there. */
  readonly fields?: readonly Buffer[] | undefined;
}

async function* chosenPages(
  connection: Connection,
  request: PendingListRequest,
  clock: () => number | null,
): AsyncGenerator<readonly Chosen[]> {
  const { stream, group, signal, where } = request;
  const pages = pendingPages(connection, request);
  // What is left out later makes room for others.
  let left = (where ? undefined : request.limit) ?? Number.POSITIVE_INFINITY;
  let seen = 0;
  while (left > 0 && !signal.aborted) {
    const { value: page } = await onStream(connection, stream, group, () => pages.next());
    if (!page) return;
    seen += page.length;
    request.onProgress?.(seen);
    const nowMs = clock();
    const rows = page.filter((row) => isChosen(row, request)).slice(0, left);
    left -= rows.length;
    if (rows.length > 0) yield rows.map((row) => ({ id: row.id, row, nowMs }));
  }
}

async function* lookedAt(
  connection: Connection,
  request: PendingListRequest,
  pages: AsyncIterable<readonly Chosen[]>,
): AsyncGenerator<Looked[]> {
  const { where, payload } = request;
  if (!where && !payload) {
    yield* withPresence(connection, request, pages);
    return;
  }
  const withEntries = where
    ? whoseDataFits(connection, request, pages, where)
    : withData(connection, request, pages);
  for await (const page of withEntries)
    yield page.map(([chosen, entry]) => ({
      ...chosen,
      missing: entry === undefined,
      fields: entry?.fields,
    }));
}

async function* withPresence(
  connection: Connection,
  { stream }: PendingListRequest,
  pages: AsyncIterable<readonly Chosen[]>,
): AsyncGenerator<Looked[]> {
  const look = async (page: readonly Chosen[]): Promise<Looked[]> => {
    const missing = await missingIds(
      connection,
      stream,
      page.map(({ id }) => id),
    );
    return page.map((chosen) => ({ ...chosen, missing: missing.has(chosen.id) }));
  };
  const looking = new UnderWay<Looked[]>(MOST_LOOKING, PAGE_MS);
  try {
    for await (const page of pages) {
      while (looking.isFull) yield await looking.take();
      looking.add(look(page));
    }
    while (looking.count > 0) yield await looking.take();
  } finally {
    await looking.settle();
  }
}

/** So many pages may be looked for at once where a round trip takes long. */
const MOST_LOOKING = 4;
