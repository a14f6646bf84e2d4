import type { StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { deleteEntries } from "../../redis/ops/key.ts";
import { UnderWay } from "../under-way.ts";
import type { ArchiveFile } from "../archive/archive-file.ts";
import type { DeadLetter } from "./letter.ts";

export interface PurgeRequest {
  readonly dlq: StreamKey;
  /** Where letters go before they are deleted. */
  readonly archive?: ArchiveFile | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface PurgeReport {
  readonly deleted: number;
  readonly archived: number;
  readonly failure: StreamctlError | undefined;
}

/** More than this in one XDEL would hold the server for longer than a millisecond. */
const AT_ONCE = 500;
/** So many may be under way where a round trip takes long. */
const MOST_STEPS = 8;

/**
 * Deletes letters from their queue, page by page: a page is on the disk before any of it is deleted. Never
 * throws for what befalls it half-way: the report says how far it came.
 */
export async function purgeLetters(
  connection: Connection,
  { dlq, archive, signal, onProgress }: PurgeRequest,
  pages: AsyncIterable<readonly DeadLetter[]>,
): Promise<PurgeReport> {
  let deleted = 0;
  let archived = 0;
  let failure: StreamctlError | undefined;
  const steps = new UnderWay<number>(MOST_STEPS);
  const done = (count: number): void => {
    deleted += count;
    onProgress?.(deleted);
  };
  try {
    for await (const page of pages) {
      for (let at = 0; at < page.length && !signal.aborted; at += AT_ONCE) {
        while (steps.isFull) done(await steps.take());
        const entries = page.slice(at, at + AT_ONCE).map(({ entry }) => entry);
        await archive?.append(dlq, entries);
        if (archive) archived += entries.length;
        const ids = entries.map(({ id }) => id);
        // An XDEL may be repeated; after a lost reply those already deleted are not counted.
        steps.add(connection.persist(() => deleteEntries(connection, dlq, ids), { signal }));
      }
      if (signal.aborted) break;
    }
    while (steps.count > 0) done(await steps.take());
  } catch (error) {
    if (!(error instanceof StreamctlError)) throw error;
    failure = error;
  } finally {
    for (const count of await steps.settle()) done(count);
  }
  return { deleted, archived, failure };
}
