import type { Entry } from "../../entry/entry.ts";
import type { Reply } from "../../redis/resp.ts";

/** Entries of one stream, in the order read. */
export interface Batch {
  readonly stream: string;
  readonly entries: readonly Entry[];
}

/** What one read gave and is printed, and acked, together. */
export type Page = readonly Batch[];

/** One stream's part of a reply. */
export interface Decoded {
  readonly stream: string;
  readonly entries: readonly Entry[];
  /** The last ID of the reply, also when that entry's data is gone. */
  readonly lastId: string;
  /** Entries still pending whose data is gone from the stream. */
  readonly missing: number;
}

/** The reply of XREAD or XREADGROUP: `[[key, [[id, fields], …]], …]` or null. Streams without entries are left out. */
export function decodeStreams(reply: Reply): Decoded[] {
  const decoded: Decoded[] = [];
  for (const part of listOf(reply)) {
    const [key, rows] = part as [Buffer, Reply];
    const batch = decodeEntries(key.toString("utf8"), rows);
    if (batch) decoded.push(batch);
  }
  return decoded;
}

/** The reply of XRANGE or XREVRANGE: `[[id, fields], …]`; undefined when it is empty. Fields are taken as they are. */
export function decodeEntries(stream: string, reply: Reply): Decoded | undefined {
  const rows = listOf(reply);
  if (rows.length === 0) return undefined;
  const entries: Entry[] = [];
  let lastId = "";
  for (const row of rows) {
    const [id, fields] = row as [Buffer, Buffer[] | null];
    lastId = id.latin1Slice();
    if (fields === null) continue;
    entries.push({ id: lastId, fields });
  }
  return { stream, entries, lastId, missing: rows.length - entries.length };
}

function listOf(reply: Reply): Reply[] {
  if (reply === null) return [];
  if (Array.isArray(reply)) return reply;
  throw new TypeError("unexpected reply: not a list");
}
