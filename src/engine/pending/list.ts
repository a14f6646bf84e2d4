import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { missingIds } from "../../redis/ops/presence.ts";
import { onStream } from "../groups/missing.ts";
import { entriesById } from "../read/by-id.ts";
import { UnderWay } from "../under-way.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { entryAgeMs, livedIdleMs, serverClock } from "./idle.ts";
import { PAGE_MS, pendingPages, type PendingList } from "./pages.ts";

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
  const { stream, group, payload, takenAfter } = request;
  const clock = await serverClock(connection);
  const pages = chosenPages(connection, request, clock);
  const looked = payload ? withData(connection, request, pages) : withPresence(connection, request, pages);
  for await (const [{ row, nowMs }, missing, fields] of looked) {
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
      fields,
    };
  }
}

/** A row that the filter lets through, and when it was read. */
interface Chosen {
  readonly row: PendingRow;
  readonly nowMs: number | null;
}

type Looked = readonly [chosen: Chosen, missing: boolean, fields: readonly Buffer[] | undefined];

async function* chosenPages(
  connection: Connection,
  request: PendingListRequest,
  clock: () => number | null,
): AsyncGenerator<readonly Chosen[]> {
  const { stream, group, signal, limit = Number.POSITIVE_INFINITY } = request;
  const pages = pendingPages(connection, request);
  let left = limit;
  let seen = 0;
  while (left > 0 && !signal.aborted) {
    const { value: page } = await onStream(connection, stream, group, () => pages.next());
    if (!page) return;
    seen += page.length;
    request.onProgress?.(seen);
    const nowMs = clock();
    const rows = page.filter((row) => isChosen(row, request)).slice(0, left);
    left -= rows.length;
    if (rows.length > 0) yield rows.map((row) => ({ row, nowMs }));
  }
}

async function* withData(
  connection: Connection,
  { stream, signal }: PendingListRequest,
  pages: AsyncIterable<readonly Chosen[]>,
): AsyncGenerator<Looked> {
  const asked: Chosen[] = [];
  async function* ids(): AsyncGenerator<readonly string[]> {
    for await (const page of pages) {
      asked.push(...page);
      yield page.map(({ row }) => row.id);
    }
  }
  for await (const entries of entriesById(connection, stream, ids(), signal)) {
    const found = asked.splice(0, entries.length);
    for (const [at, chosen] of found.entries())
      yield [chosen, entries[at] === undefined, entries[at]?.fields];
  }
}

async function* withPresence(
  connection: Connection,
  { stream }: PendingListRequest,
  pages: AsyncIterable<readonly Chosen[]>,
): AsyncGenerator<Looked> {
  const look = async (page: readonly Chosen[]): Promise<Looked[]> => {
    const ids = page.map(({ row }) => row.id);
    const missing = await missingIds(connection, stream, ids);
    return page.map((chosen) => [chosen, missing.has(chosen.row.id), undefined]);
  };
  const looking = new UnderWay<Looked[]>(MOST_LOOKING, PAGE_MS);
  try {
    for await (const page of pages) {
      while (looking.isFull) yield* await looking.take();
      looking.add(look(page));
    }
    while (looking.count > 0) yield* await looking.take();
  } finally {
    await looking.settle();
  }
}

/** So many pages may be looked for at once where a round trip takes long. */
const MOST_LOOKING = 4;
