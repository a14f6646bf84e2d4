import { nextId } from "../../entry/id.ts";
import { type PendingRow, pendingPage, pendingTotals } from "../../redis/ops/pending.ts";
import type { Caller } from "../../redis/ops/caller.ts";

/** Whose pending list: the group's, or one consumer's part of it. */
export interface PendingList {
  readonly stream: string;
  readonly group: string;
  readonly consumer?: string | undefined;
}

/** A page takes the server 3 to 7 ms, however long the list is. */
export const PENDING_PAGE = 1_000;

/**
 * A pending list page by page, oldest ID first; no page is empty. What is acked or claimed meanwhile may
 * or may not be seen; nothing is seen twice.
 */
export async function* pendingPages(
  connection: Caller,
  { stream, group, consumer }: PendingList,
): AsyncGenerator<PendingRow[], undefined> {
  for (let from: string | undefined = "-"; from !== undefined;) {
    const start: string = from;
    const page = await connection.persist(() =>
      pendingPage(connection, stream, group, start, PENDING_PAGE, consumer),
    );
    if (page.length > 0) yield page;
    const last = page.at(-1);
    from = page.length < PENDING_PAGE || !last ? undefined : nextId(last.id);
  }
}

/** How many entries the group has pending. Rejects when there is no such stream or group. */
export async function groupPending(
  connection: Caller,
  { stream, group }: Pick<PendingList, "stream" | "group">,
): Promise<number> {
  return (await connection.persist(() => pendingTotals(connection, stream, group))).count;
}
