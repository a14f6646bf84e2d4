import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { ServerError } from "../../errors.ts";
import { asList, asNumber, asText, type Value, asId } from "../value.ts";
import { decoded, type Question } from "./ask.ts";
import type { Caller } from "./caller.ts";

/** One row of the pending list. */
export interface PendingRow {
  readonly id: EntryId;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

/** A page of the pending list from `start` on, optionally of one consumer, up to `end`; at most `count` rows. */
export async function pendingPage(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  start: string,
  count: number,
  consumer?: string,
  end = "+",
): Promise<PendingRow[]> {
  const filter = consumer === undefined ? [] : [consumer];
  const rows = asList(await caller.call("XPENDING", stream, group, start, end, count, ...filter));
  return rows.map((row) => {
    const [id, owner, idleMs, deliveries] = asList(row);
    return {
      id: asId(id),
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
  readonly firstId: EntryId | undefined;
  readonly maxDeliveries: number;
}

/** The first page of a pending list as a question, where the single rows don't matter. */
export function pendingQuestion(
  stream: StreamKey,
  group: GroupName,
  count: number,
  take: (span: PendingSpan | ServerError) => void,
): Question {
  const command = ["XPENDING", stream, group, "-", "+", String(count)] as const;
  return { command, take: decoded(decodePendingSpan, take) };
}

function decodePendingSpan(reply: Value): PendingSpan {
  const rows = asList(reply);
  let maxDeliveries = 0;
  for (const row of rows) maxDeliveries = Math.max(maxDeliveries, asNumber(asList(row)[3]));
  const firstId = rows.length === 0 ? undefined : asId(asList(rows[0])[0]);
  return { count: rows.length, firstId, maxDeliveries };
}

/** The IDs of the first `count` rows from one ID to another. */
export async function pendingIds(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  { from, to, count }: { readonly from: string; readonly to: string; readonly count: number },
): Promise<EntryId[]> {
  const rows = asList(await caller.call("XPENDING", stream, group, from, to, count));
  return rows.map((row) => asId(asList(row)[0]));
}

/** What a pending list comes to. */
export interface PendingTotals {
  readonly count: number;
  /** The oldest pending ID; undefined when nothing is pending. */
  readonly firstId: EntryId | undefined;
  /** How many each consumer has that has any. */
  readonly byConsumer: ReadonlyMap<string, number>;
}

/** Rejects with a ServerError of kind notFound when there is no such key or group. */
export async function pendingTotals(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<PendingTotals> {
  const [count, first = null, , consumers] = asList(await caller.call("XPENDING", stream, group));
  const byConsumer = new Map<string, number>();
  for (const row of asList(consumers)) {
    const [name, pending] = asList(row);
    byConsumer.set(asText(name), asNumber(pending));
  }
  return { count: asNumber(count), firstId: first === null ? undefined : asId(first), byConsumer };
}
