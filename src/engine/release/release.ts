import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { type ByHand, type PendingTarget, STEP } from "../../redis/ops/by-hand.ts";
import { type Gone, releaseEntries, type ReleaseRule, type ReleaseState } from "../../redis/ops/release.ts";
import { onStream } from "../groups/missing.ts";
import type { PendingFilter } from "../pending/filter.ts";
import { livedIdleMs, serverClock } from "../pending/idle.ts";
import { matchingIds } from "../pending/matching.ts";
import { writeOnce } from "../write-once.ts";
import { GoneConsumers } from "./gone.ts";

/** A pending entry that any worker may take from now on, as it was before. */
export interface ReleasedEntry {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly id: EntryId;
  readonly consumer: string;
  /** How long it had been idle; null when that was set, as of a retry that waits. */
  readonly idleMs: number | null;
  readonly deliveries: number;
}

export interface ReleaseRequest extends PendingTarget, ReleaseRule, Pick<PendingFilter, "where"> {
  /** Which entries; undefined: every pending one that the rule lets through. */
  readonly ids: AsyncIterable<readonly EntryId[]> | undefined;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many pending entries were looked at. */
  readonly onProgress?: (seen: number) => void;
  /** Hears what became of every ID that was tried. */
  readonly onState: (entry: ByHand<ReleaseState>) => void;
}

/**
 * Releases the entries, step by step, and yields those that were. A dry run goes the same way and changes nothing. What may
 * be running is looked at once more, when it is known whose processes are gone.
 */
export async function* releasePending(
  connection: Connection,
  request: ReleaseRequest,
): AsyncGenerator<ReleasedEntry> {
  const { stream, group, from, signal, limit = Number.POSITIVE_INFINITY } = request;
  const gone = new GoneConsumers(connection, group);
  const clock = await serverClock(connection);
  let left = limit;
  for await (const candidates of request.ids ??
    matchingIds(connection, { ...request, consumer: from }, STEP)) {
    for (let at = 0; at < candidates.length && left > 0 && !signal.aborted;) {
      const ids = candidates.slice(at, at + Math.min(STEP, left));
      at += ids.length;
      for (const found of await releaseStep(connection, request, gone, ids)) {
        request.onState(found);
        if (found.state !== "released") continue;
        left--;
        const { id, owner: consumer, deliveries } = found;
        yield { stream, group, id, consumer, idleMs: livedIdleMs(found, clock()), deliveries };
      }
    }
    if (left <= 0 || signal.aborted) return;
  }
}

async function releaseStep(
  connection: Connection,
  request: ReleaseRequest,
  gone: GoneConsumers,
  ids: readonly EntryId[],
): Promise<readonly ByHand<ReleaseState>[]> {
  const first = await send(connection, request, gone.known, ids);
  const running = first.filter(({ state }) => state === "running");
  if (!(await gone.judge(new Set(running.map(({ owner }) => owner)), request.signal))) return first;
  const again = await send(
    connection,
    request,
    gone.known,
    running.map(({ id }) => id),
  );
  const anew = new Map(again.map((found) => [found.id, found]));
  return first.map((found) => anew.get(found.id) ?? found);
}

function send(
  connection: Connection,
  request: ReleaseRequest,
  gone: Gone,
  ids: readonly EntryId[],
): Promise<ByHand<ReleaseState>[]> {
  const { stream, group, dryRun, signal } = request;
  const step = (): Promise<ByHand<ReleaseState>[]> => releaseEntries(connection, request, request, gone, ids);
  return onStream(connection, stream, group, () =>
    dryRun
      ? connection.persist(step, { signal })
      : writeOnce(`releasing ${ids.length} entries of ${stream}`, "running it again is safe", step),
  );
}
