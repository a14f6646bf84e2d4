import type { GroupName, StreamKey } from "../../entry/names.ts";
import { type PendingRow, pendingPage, pendingTotals } from "../../redis/ops/pending.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { FIRST_ID, LAST_ID } from "../position.ts";
import { PagesAhead } from "../read/pages-ahead.ts";

/** Whose pending list: the group's, or one consumer's part of it. */
export interface PendingList {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly consumer?: string | undefined;
}

/** A page takes the server 3 to 7 ms, however long the list is. */
export const PENDING_PAGE = 1_000;

/** So many pages may be under way where a round trip takes long. */
const MOST_AHEAD = 4;
/** A server that answers a page sooner is near. */
export const PAGE_MS = 8;

/**
 * A pending list page by page, oldest ID first; no page is empty. What is acked or claimed meanwhile may
 * or may not be seen; nothing is seen twice.
 */
export async function* pendingPages(
  connection: Caller,
  { stream, group, consumer }: PendingList,
): AsyncGenerator<PendingRow[], undefined> {
  const ahead = new PagesAhead({
    from: FIRST_ID,
    to: LAST_ID,
    count: () => PENDING_PAGE,
    most: MOST_AHEAD,
    nearMs: PAGE_MS,
    ask: async ({ from, to, count }) => {
      const page = await connection.persist(() =>
        pendingPage(connection, stream, group, from, count, consumer, to),
      );
      const [first] = page;
      const last = page.at(-1);
      return first && last && { page, rows: page.length, firstId: first.id, lastId: last.id };
    },
  });
  for (let answer = await ahead.next(); answer; answer = await ahead.next()) yield answer.page;
}

/** How many entries the group has pending. Rejects when there is no such stream or group. */
export async function groupPending(
  connection: Caller,
  { stream, group }: Pick<PendingList, "stream" | "group">,
): Promise<number> {
  return (await connection.persist(() => pendingTotals(connection, stream, group))).count;
}
