import { type EntryId, nextId, parseEntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied } from "../../redis/errors.ts";
import { streamInfo } from "../../redis/ops/info.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { FIRST_ID, LAST_ID } from "../position.ts";
import { readRange } from "../read/range.ts";

/** What is to be kept: the newest entries, those that are not older, or those from an ID on. */
export type Cut =
  | { readonly kind: "length"; readonly most: number }
  | { readonly kind: "age"; readonly ms: number }
  | { readonly kind: "id"; readonly id: EntryId };

/**
 * The first ID to keep. A length becomes an ID by looking for the entry from the nearer end of the stream.
 * Entries that come in meanwhile make the stream longer than asked, and never lose it more. Ages are
 * those of the server's clock: an entry with an ID in the future does not count as new for that.
 */
export async function findCut(
  connection: Connection,
  stream: StreamKey,
  cut: Cut,
  signal: AbortSignal,
): Promise<EntryId> {
  switch (cut.kind) {
    case "id":
      return cut.id;
    case "age": {
      const oldest = Math.max(0, (await serverNowMs(connection)) - cut.ms);
      return parseEntryId(String(oldest)) ?? FIRST_ID;
    }
    case "length": {
      const { length, lastGeneratedId } = await streamInfo(connection, stream);
      if (length <= cut.most) return FIRST_ID;
      if (cut.most === 0) return nextId(lastGeneratedId) ?? FIRST_ID;
      const excess = length - cut.most;
      if (excess < cut.most) return nthId(connection, stream, excess + 1, false, signal);
      try {
        return await nthId(connection, stream, cut.most, true, signal);
      } catch (error) {
        // XREVRANGE is a right of its own, and trimming is possible without.
        if (!isDenied(error)) throw error;
        return nthId(connection, stream, excess + 1, false, signal);
      }
    }
  }
}

/** The ID of the nth entry from one end; 0-0 when there are not so many, or the signal aborts. */
async function nthId(
  connection: Connection,
  stream: StreamKey,
  n: number,
  fromTheEnd: boolean,
  signal: AbortSignal,
): Promise<EntryId> {
  let seen = 0;
  const link = { lost() {}, back() {} };
  const range = { from: FIRST_ID, to: LAST_ID };
  const request = { stream, range, reverse: fromTheEnd, count: n };
  for await (const [batch] of readRange(connection, request, { signal, link })) {
    const entries = batch?.entries ?? [];
    seen += entries.length;
    if (seen >= n) return parseEntryId(entries[entries.length - 1 - (seen - n)]?.id ?? "") ?? FIRST_ID;
  }
  return FIRST_ID;
}
