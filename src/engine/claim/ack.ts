import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { ackAny } from "../../redis/ops/ack-any.ts";
import type { PendingTarget } from "../../redis/ops/by-hand.ts";
import { onStream } from "../groups/missing.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { writeOnce } from "../write-once.ts";

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

const AT_ONCE = 100;

/** Acks the entries, whoever owns them, and yields those that were pending. */
export async function* ackPending(connection: Connection, request: AckRequest): AsyncGenerator<AckedEntry> {
  const { stream, group, dryRun, signal } = request;
  for await (const candidates of request.ids) {
    for (let at = 0; at < candidates.length && !signal.aborted; at += AT_ONCE) {
      const ids = candidates.slice(at, at + AT_ONCE);
      const step = (): ReturnType<typeof ackAny> => ackAny(connection, request, dryRun, ids);
      const found = await onStream(connection, stream, group, () =>
        dryRun
          ? connection.persist(step, { signal })
          : writeOnce(
              `acking ${ids.length} entries of ${stream}`,
              "run it again: what is acked is no longer pending",
              step,
            ),
      );
      for (const entry of found) {
        const { id, state, owner: consumer, deliveries } = entry;
        if (state === "acked")
          yield { stream, group, id, consumer, idleMs: livedIdleMs(entry, null), deliveries };
        else request.onNotPending(id);
      }
    }
    if (signal.aborted) return;
  }
}
