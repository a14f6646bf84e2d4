import type { Connection } from "../../redis/connection.ts";
import type { ByHand, PendingTarget } from "../../redis/ops/by-hand.ts";
import { claimEntries, type ClaimRule, type ClaimState } from "../../redis/ops/claim.ts";
import { onStream } from "../groups/missing.ts";
import { isChosen } from "../pending/filter.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { pendingPages } from "../pending/pages.ts";
import { writeOnce } from "../write-once.ts";

/** One pending entry that was given to another consumer. */
export interface ClaimedEntry {
  readonly stream: string;
  readonly group: string;
  readonly id: string;
  readonly from: string;
  /** Null: its data was gone, and it was acked. */
  readonly to: string | null;
  /** How long it had been idle; null when it was given back by a replay, which sets that. */
  readonly idleMs: number | null;
  /** How often it has been delivered by now. */
  readonly deliveries: number;
}

export interface ClaimRequest extends PendingTarget, ClaimRule {
  /** Which entries; undefined: every pending one that the rule lets through. */
  readonly ids: AsyncIterable<readonly string[]> | undefined;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many pending entries were looked at. */
  readonly onProgress?: (seen: number) => void;
  /** Hears what became of every ID that was tried. */
  readonly onState: (entry: Tried) => void;
}

/** What became of an ID; its idle time as in ClaimedEntry. */
export type Tried = Omit<ByHand<ClaimState>, "idleMs"> & Pick<ClaimedEntry, "idleMs">;

/** One step moves so many entries: the server is held up for a few ms at most. */
const AT_ONCE = 100;

/** Moves the entries, step by step, and yields those that moved. A dry run goes the same way and changes nothing. */
export async function* claimPending(
  connection: Connection,
  request: ClaimRequest,
): AsyncGenerator<ClaimedEntry> {
  const { stream, group, signal, limit = Number.POSITIVE_INFINITY } = request;
  let left = limit;
  for await (const candidates of request.ids ?? matchingIds(connection, request)) {
    for (let at = 0; at < candidates.length && left > 0 && !signal.aborted;) {
      const ids = candidates.slice(at, at + Math.min(AT_ONCE, left));
      at += ids.length;
      for (const found of await claimStep(connection, request, ids)) {
        const entry: Tried = { ...found, idleMs: livedIdleMs(found, null) };
        request.onState(entry);
        if (entry.state !== "claimed" && entry.state !== "dropped") continue;
        left--;
        const counted = entry.state === "claimed" && request.countDelivery ? 1 : 0;
        const to = entry.state === "claimed" ? (request.to ?? null) : null;
        const { id, owner: from, idleMs, deliveries } = entry;
        yield { stream, group, id, from, to, idleMs, deliveries: deliveries + counted };
      }
    }
    if (left <= 0 || signal.aborted) return;
  }
}

function claimStep(
  connection: Connection,
  request: ClaimRequest,
  ids: readonly string[],
): Promise<ByHand<ClaimState>[]> {
  const { stream, group, dryRun } = request;
  const step = (): Promise<ByHand<ClaimState>[]> => claimEntries(connection, request, request, ids);
  return onStream(connection, stream, group, () =>
    dryRun
      ? connection.persist(step, { signal: request.signal })
      : writeOnce(
          `claiming ${ids.length} entries of ${stream}`,
          "run it again: entries that have moved stay where they are",
          step,
        ),
  );
}

/** The IDs that the rule lets through now, page by page; the step looks at each once more. */
async function* matchingIds(connection: Connection, request: ClaimRequest): AsyncGenerator<string[]> {
  const { stream, group, from, to, dropMissing } = request;
  const pages = pendingPages(connection, { stream, group, consumer: from });
  for (let seen = 0; ;) {
    const { value: page } = await onStream(connection, stream, group, () => pages.next());
    if (!page) return;
    seen += page.length;
    request.onProgress?.(seen);
    yield page
      .filter((row) => isChosen(row, request) && (dropMissing || row.consumer !== to))
      .map(({ id }) => id);
  }
}
