import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { ackAny } from "../../redis/ops/ack-any.ts";
import { MOST_STEPS, type PendingTarget, STEP } from "../../redis/ops/by-hand.ts";
import { onStream } from "../groups/missing.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { UnderWay } from "../under-way.ts";
import { ifLost } from "../write-once.ts";

/** One pending entry that was acked by hand, as it was before. */
export interface AckedEntry {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly id: EntryId;
  readonly consumer: string;
  readonly idleMs: number | null;
  readonly deliveries: number;
}

export interface AckRequest extends PendingTarget {
  readonly ids: AsyncIterable<readonly EntryId[]>;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onNotPending: (id: EntryId) => void;
}

interface Step {
  readonly asked: number;
  readonly found: Awaited<ReturnType<typeof ackAny>>;
}

/**
 * Acks the entries, whoever owns them, step by step, and yields those that were pending; also where a later or an
 * earlier step has failed.
 */
export async function* ackPending(connection: Connection, request: AckRequest): AsyncGenerator<AckedEntry> {
  const { stream, signal } = request;
  const steps = new UnderWay<Step>(MOST_STEPS);
  /** Entries whose step has not been answered. */
  let asked = 0;
  const acked = (step: Step): AckedEntry[] => {
    asked -= step.asked;
    return ackedBy(request, step);
  };
  try {
    for await (const candidates of request.ids) {
      for (let at = 0; at < candidates.length && !signal.aborted; at += STEP) {
        while (steps.isFull) yield* acked(await steps.take());
        const ids = candidates.slice(at, at + STEP);
        asked += ids.length;
        steps.add(ackStep(connection, request, ids));
      }
      // Input may be long in coming: what is acked is told before that.
      while (steps.count > 0) yield* acked(await steps.take());
      if (signal.aborted) return;
    }
  } catch (error) {
    for (const step of await steps.settle()) yield* acked(step);
    const what = `acking ${asked} entries of ${stream}`;
    throw ifLost(error, what, "run it again: what is acked is no longer pending");
  } finally {
    await steps.settle();
  }
}

function ackedBy({ stream, group, onNotPending }: AckRequest, { found }: Step): AckedEntry[] {
  const entries: AckedEntry[] = [];
  for (const entry of found) {
    const { id, state, owner: consumer, deliveries } = entry;
    if (state === "acked")
      entries.push({ stream, group, id, consumer, idleMs: livedIdleMs(entry, null), deliveries });
    else onNotPending(id);
  }
  return entries;
}

async function ackStep(connection: Connection, request: AckRequest, ids: readonly EntryId[]): Promise<Step> {
  const { stream, group, dryRun, signal } = request;
  const step = (): ReturnType<typeof ackAny> => ackAny(connection, request, dryRun, ids);
  const found = await onStream(connection, stream, group, () =>
    dryRun ? connection.persist(step, { signal }) : step(),
  );
  return { asked: ids.length, found };
}
