import type { EntryId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen, type PendingFilter } from "./filter.ts";
import { pendingPages, type PendingList } from "./pages.ts";
import { whoseDataFits } from "./with-data.ts";

export interface MatchRequest extends PendingList, PendingFilter {
  readonly signal: AbortSignal;
  /** What more a row must be. */
  readonly fits?: (row: PendingRow) => boolean;
  /** Hears how many pending entries were looked at. */
  readonly onProgress?: ((seen: number) => void) | undefined;
}

/** The IDs that the filters let through now, so many at a time but for the last ones. */
export async function* matchingIds(
  connection: Connection,
  request: MatchRequest,
  atOnce: number,
): AsyncGenerator<EntryId[]> {
  let rest: EntryId[] = [];
  for await (const rows of matchingRows(connection, request)) {
    const ids = [...rest, ...rows.map(({ id }) => id)];
    const whole = ids.length - (ids.length % atOnce);
    rest = ids.slice(whole);
    yield ids.slice(0, whole);
  }
  yield rest;
}

async function* matchingRows(
  connection: Connection,
  request: MatchRequest,
): AsyncGenerator<readonly PendingRow[]> {
  const { stream, signal, where } = request;
  const chosen = chosenRows(connection, request);
  if (!where) yield* chosen;
  else
    for await (const page of whoseDataFits(connection, { stream, signal }, chosen, where))
      yield page.map(([row]) => row);
}

async function* chosenRows(
  connection: Connection,
  request: MatchRequest,
): AsyncGenerator<readonly PendingRow[]> {
  const { stream, group, fits = () => true } = request;
  const pages = pendingPages(connection, request);
  for (let seen = 0; ;) {
    const { value: page } = await onStream(connection, stream, group, () => pages.next());
    if (!page) return;
    seen += page.length;
    request.onProgress?.(seen);
    yield page.filter((row) => isChosen(row, request) && fits(row));
  }
}
