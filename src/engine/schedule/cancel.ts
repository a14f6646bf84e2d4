import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { CANCELLED_AT_ONCE, cancelScheduled } from "../../redis/ops/cancel-scheduled.ts";
import type { Scheduled } from "../../redis/ops/schedule-page.ts";
import type { ArchiveFile } from "../archive/archive-file.ts";
import { scheduleOf } from "./list.ts";

export interface CancelRequest {
  readonly stream: StreamKey;
  /** Where entries go before they are cancelled. */
  readonly archive?: ArchiveFile | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface CancelReport {
  readonly cancelled: number;
  /** Those of them that were put off: their group has them again. */
  readonly givenBack: number;
  readonly archived: number;
  readonly failure: StreamctlError | undefined;
}

/**
 * Cancels what is scheduled, step by step; an entry is on the disk before it is cancelled. What comes due meanwhile is
 * added, or cancelled, and never both. Never throws for what befalls it half-way: the report says how far it came.
 */
export async function cancelPages(
  connection: Connection,
  { stream, archive, signal, onProgress }: CancelRequest,
  pages: AsyncIterable<readonly Scheduled[]>,
): Promise<CancelReport> {
  const keys = scheduleOf(connection, stream);
  let [cancelled, givenBack, archived] = [0, 0, 0];
  let failure: StreamctlError | undefined;
  try {
    for await (const page of pages) {
      for (let at = 0; at < page.length && !signal.aborted; at += CANCELLED_AT_ONCE) {
        const some = page.slice(at, at + CANCELLED_AT_ONCE);
        const entries = some.flatMap(entryOf);
        await archive?.append(stream, entries);
        if (archive) archived += entries.length;
        const tokens = some.map(({ token }) => token);
        // After a lost reply those that are done are not counted.
        const step = await connection.persist(() => cancelScheduled(connection, stream, keys, tokens), {
          signal,
        });
        cancelled += step.cancelled;
        givenBack += step.givenBack;
        onProgress?.(cancelled);
      }
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!(error instanceof StreamctlError)) throw error;
    failure = error;
  }
  return { cancelled, givenBack, archived, failure };
}

/** As it stands in an archive, where IDs have the form of an entry's: it has none yet, so its time and its token make one up. */
function entryOf({ token, dueMs, record }: Scheduled): Entry[] {
  if (record.kind !== "entry") return [];
  return [{ id: `${dueMs ?? 0}-${BigInt(token)}` as EntryId, fields: record.fields }];
}
