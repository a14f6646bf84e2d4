import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { type ByHand, MOST_STEPS, type PendingTarget, STEP } from "../../redis/ops/by-hand.ts";
import { claimEntries, type ClaimRule, type ClaimState } from "../../redis/ops/claim.ts";
import { onStream } from "../groups/missing.ts";
import type { PendingFilter } from "../pending/filter.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { matchingIds, type MatchRequest } from "../pending/matching.ts";
import { UnderWay } from "../under-way.ts";
import { ifLost } from "../write-once.ts";

/** One pending entry that was given to another consumer. */
export interface ClaimedEntry {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly id: EntryId;
  readonly from: string;
  /** Null: its data was gone, and it was acked. */
  readonly to: string | null;
  /** How long it had been idle; null when it was given back by a replay, which sets that. */
  readonly idleMs: number | null;
  /** How often it has been delivered by now. */
  readonly deliveries: number;
}

export interface ClaimRequest extends PendingTarget, ClaimRule, Pick<PendingFilter, "where"> {
  /** Which entries; undefined: every pending one that the rule lets through. */
  readonly ids: AsyncIterable<readonly EntryId[]> | undefined;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many pending entries were looked at. */
  readonly onProgress?: (seen: number) => void;
  /** Hears what became of every ID that was tried. */
  readonly onState: (entry: Tried) => void;
}

/** What became of an ID; its idle time as in ClaimedEntry. */
export type Tried = Omit<ByHand<ClaimState>, "idleMs"> & Pick<ClaimedEntry, "idleMs">;

interface Step {
  readonly asked: number;
  readonly found: readonly ByHand<ClaimState>[];
}

/**
 * Moves the entries, step by step, and yields those that moved. A dry run goes the same way and changes nothing. What
 * has moved is yielded also where a later or an earlier step has failed.
 */
export async function* claimPending(
  connection: Connection,
  request: ClaimRequest,
): AsyncGenerator<ClaimedEntry> {
  const { stream, signal, limit = Number.POSITIVE_INFINITY } = request;
  const steps = new UnderWay<Step>(MOST_STEPS);
  /** Entries that may still move, and those whose step has not been answered. */
  const tally = { left: limit, asked: 0 };
  const moved = (step: Step): ClaimedEntry[] => {
    const entries = movedBy(request, step);
    tally.asked -= step.asked;
    tally.left -= entries.length;
    return entries;
  };
  try {
    for await (const candidates of request.ids ?? matchingIds(connection, choiceOf(request), STEP)) {
      for (let at = 0; at < candidates.length && tally.left > 0 && !signal.aborted;) {
        if (steps.isFull || tally.asked >= tally.left) {
          yield* moved(await steps.take());
          continue;
        }
        const ids = candidates.slice(at, at + Math.min(STEP, tally.left - tally.asked));
        at += ids.length;
        tally.asked += ids.length;
        steps.add(claimStep(connection, request, ids));
      }
      if (tally.left <= 0 || signal.aborted) break;
      // Input may be long in coming: what has moved is told before that.
      while (request.ids && steps.count > 0) yield* moved(await steps.take());
    }
    while (steps.count > 0) yield* moved(await steps.take());
  } catch (error) {
    for (const step of await steps.settle()) yield* moved(step);
    const what = `claiming ${tally.asked} entries of ${stream}`;
    throw ifLost(error, what, "run it again: entries that have moved stay where they are");
  } finally {
    await steps.settle();
  }
}

function movedBy(request: ClaimRequest, { found: all }: Step): ClaimedEntry[] {
  const { stream, group } = request;
  const entries: ClaimedEntry[] = [];
  for (const found of all) {
    const entry: Tried = { ...found, idleMs: livedIdleMs(found, null) };
    request.onState(entry);
    if (entry.state !== "claimed" && entry.state !== "dropped") continue;
    const counted = entry.state === "claimed" && request.countDelivery ? 1 : 0;
    const to = entry.state === "claimed" ? (request.to ?? null) : null;
    const { id, owner: from, idleMs, deliveries } = entry;
    entries.push({ stream, group, id, from, to, idleMs, deliveries: deliveries + counted });
  }
  return entries;
}

async function claimStep(
  connection: Connection,
  request: ClaimRequest,
  ids: readonly EntryId[],
): Promise<Step> {
  const { stream, group, dryRun, signal } = request;
  const step = (): Promise<ByHand<ClaimState>[]> => claimEntries(connection, request, request, ids);
  const found = await onStream(connection, stream, group, () =>
    dryRun ? connection.persist(step, { signal }) : step(),
  );
  return { asked: ids.length, found };
}

function choiceOf(request: ClaimRequest): MatchRequest {
  const { from, to, dropMissing } = request;
  return { ...request, consumer: from, fits: (row) => dropMissing || row.consumer !== to };
}
