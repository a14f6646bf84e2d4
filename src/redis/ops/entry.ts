import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import { type StreamKey, streamKey } from "../../entry/names.ts";
import type { Reply } from "../resp.ts";
import type { Value } from "../value.ts";

/** An entry of a reply; without fields, its data has gone from the stream. */
export interface DecodedEntry {
  readonly id: EntryId;
  readonly fields: Buffer[] | undefined;
}

/** Decodes `[id, [name, value, …]]`, as every command and script gives an entry. Fields are taken as they are. */
export function decodeEntry(row: Value | Reply | undefined): DecodedEntry {
  const [id, fields] = row as [Buffer, Buffer[] | null | undefined];
  return { id: id.latin1Slice() as EntryId, fields: fields ?? undefined };
}

/** Entries of one reply. */
export interface DecodedEntries {
  readonly entries: Entry[];
  /** The first and the last ID of the reply, also when that entry's data is gone. */
  readonly firstId: EntryId;
  readonly lastId: EntryId;
  /** Entries whose data is gone from the stream. */
  readonly missing: number;
}

/** Decodes `[[id, fields], …]`; undefined when it is empty or nil. */
export function decodeEntries(reply: Value | Reply | undefined): DecodedEntries | undefined {
  const rows = listOf(reply);
  if (rows.length === 0) return undefined;
  const entries: Entry[] = [];
  let lastId = decodeEntry(rows[0]).id;
  const firstId = lastId;
  for (const row of rows) {
    const entry = decodeEntry(row);
    lastId = entry.id;
    if (entry.fields !== undefined) entries.push(entry as Entry);
  }
  return { entries, firstId, lastId, missing: rows.length - entries.length };
}

/** One stream's part of a reply of XREAD or XREADGROUP. */
export interface DecodedStream extends DecodedEntries {
  readonly stream: StreamKey;
}

/** Decodes `[[key, [[id, fields], …]], …]` or nil. Streams without entries are left out. */
export function decodeStreams(reply: Value | Reply): DecodedStream[] {
  const decoded: DecodedStream[] = [];
  for (const part of listOf(reply)) {
    const [key, rows] = part as [Buffer, Reply];
    const found = decodeEntries(rows);
    if (found) decoded.push({ stream: streamKey(key.toString("utf8")), ...found });
  }
  return decoded;
}

function listOf(reply: Value | Reply | undefined): (Value | Reply)[] {
  if (reply === null || reply === undefined) return [];
  if (Array.isArray(reply)) return reply;
  throw new TypeError("unexpected reply: not a list");
}
