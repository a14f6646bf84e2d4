import { compareIds, type EntryId, previousId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import { groupInfos, streamInfo } from "../../redis/streams/info.ts";
import { onStream } from "../groups/missing.ts";
import { pendingPages } from "../pending/pages.ts";
import { FIRST_ID } from "../position.ts";
import { readRange } from "../read/range.ts";
import { findCut } from "./cut.ts";
import { type Hold, findHold, type TrimRequest } from "./trim.ts";

/** What a group would lose that it still needs. */
export interface Loss {
  readonly group: string;
  /** Entries it has not been given. */
  readonly undelivered: number;
  /** Entries it has been given and has not acked. */
  readonly pending: number;
}

export interface TrimPreview {
  readonly stream: string;
  readonly length: number;
  /** Exact when trimming is; else the most that would go, because only whole nodes do. */
  readonly wouldRemove: number;
  readonly cut: EntryId;
  readonly hold: Hold | undefined;
  /** Only groups that would lose something. */
  readonly losses: readonly Loss[];
}

/** What trimming would do; changes nothing. It reads what would go, and counts it. */
export async function previewTrim(
  connection: Connection,
  request: Omit<TrimRequest, "archive">,
): Promise<TrimPreview> {
  const { stream, signal, force } = request;
  return onStream(connection, stream, undefined, async () => {
    const { length } = await streamInfo(connection, stream);
    const cut = await findCut(connection, stream, request.cut, signal);
    const hold = await findHold(connection, { stream, force }, cut);
    const groups = force ? await groupInfos(connection, stream) : [];
    const undelivered = new Map<string, number>();
    const to = previousId(hold?.id ?? cut);
    let wouldRemove = 0;
    if (to !== undefined) {
      const link = { lost() {}, back() {} };
      const range = { from: FIRST_ID, to };
      for await (const [batch] of readRange(connection, { stream, range }, { signal, link })) {
        const entries = batch?.entries ?? [];
        wouldRemove += entries.length;
        request.onProgress?.(wouldRemove);
        for (const { name, lastDeliveredId } of groups) {
          const beyond = entries.filter(({ id }) => compareIds(id, lastDeliveredId) > 0).length;
          undelivered.set(name, (undelivered.get(name) ?? 0) + beyond);
        }
      }
    }
    const losses: Loss[] = [];
    for (const { name } of groups) {
      const pending = await pendingBefore(connection, stream, name, cut);
      const loss = { group: name, undelivered: undelivered.get(name) ?? 0, pending };
      if (loss.undelivered + loss.pending > 0) losses.push(loss);
    }
    return { stream, length, wouldRemove, cut, hold, losses };
  });
}

async function pendingBefore(
  connection: Connection,
  stream: string,
  group: string,
  cut: EntryId,
): Promise<number> {
  let count = 0;
  for await (const page of pendingPages(connection, { stream, group })) {
    const before = page.filter(({ id }) => compareIds(id, cut) < 0).length;
    count += before;
    if (before < page.length) break;
  }
  return count;
}
