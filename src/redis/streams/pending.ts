import type { Connection } from "../connection.ts";
import { asList, asNumber, asText, type Value } from "../value.ts";

/** One row of the pending list. */
export interface PendingRow {
  readonly id: string;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

/** A page of the pending list from `start` on, optionally of one consumer; at most `count` rows. */
export async function pendingPage(
  connection: Pick<Connection, "call">,
  stream: string,
  group: string,
  start: string,
  count: number,
  consumer?: string,
): Promise<PendingRow[]> {
  const filter = consumer === undefined ? [] : [consumer];
  const rows = asList(await connection.call("XPENDING", stream, group, start, "+", count, ...filter));
  return rows.map((row) => {
    const [id, owner, idleMs, deliveries] = asList(row);
    return {
      id: asText(id),
      consumer: asText(owner),
      idleMs: asNumber(idleMs),
      deliveries: asNumber(deliveries),
    };
  });
}

/** What a page of the pending list comes to. */
export interface PendingSpan {
  readonly count: number;
  /** Undefined for an empty page. */
  readonly firstId: string | undefined;
  readonly maxDeliveries: number;
}

/** Reads the reply of XPENDING with a range where the single rows don't matter. */
export function readPendingSpan(reply: Value): PendingSpan {
  const rows = asList(reply);
  let maxDeliveries = 0;
  for (const row of rows) maxDeliveries = Math.max(maxDeliveries, asNumber(asList(row)[3]));
  const firstId = rows.length === 0 ? undefined : asText(asList(rows[0])[0]);
  return { count: rows.length, firstId, maxDeliveries };
}

/** How many entries are pending in the group. */
export async function pendingCount(
  connection: Pick<Connection, "call">,
  stream: string,
  group: string,
): Promise<number> {
  return asNumber(asList(await connection.call("XPENDING", stream, group))[0]);
}
