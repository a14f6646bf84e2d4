import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import type { PendingTarget } from "../../redis/ops/by-hand.ts";
import { Holders } from "../../redis/ops/holders.ts";
import { isDone } from "../../redis/ops/owned.ts";
import { type PendingRow, pendingPage } from "../../redis/ops/pending.ts";
import { streamsOf } from "../../redis/ops/streams.ts";
import { onStream } from "../groups/missing.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { entriesById } from "../read/by-id.ts";
import { moveToDeadLetters } from "../worker/dead-letter.ts";
import { writeOnce } from "../write-once.ts";

/** A pending entry that was dead-lettered by hand, as it was before. */
export interface GivenUp {
  readonly stream: StreamKey;
  readonly dlq: StreamKey;
  readonly group: GroupName;
  readonly id: EntryId;
  readonly consumer: string;
  readonly idleMs: number | null;
  readonly deliveries: number;
}

export interface GiveUpRequest extends PendingTarget {
  readonly dlq: StreamKey;
  readonly ids: AsyncIterable<readonly EntryId[]>;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  /** Hears of IDs that stay: not pending, or without data. */
  readonly onStays: (id: EntryId, why: "notPending" | "missing") => void;
}

/** An entry that changes hands between looking and moving is looked at again so often. */
const TRIES = 10;

/**
 * Dead-letters pending entries, whoever has them, one after the other, with the worker's own step: the record is the same,
 * and a worker that has the entry finds it settled, so that its verdict is dropped. A step acts only while the entry has the
 * owner and the delivery count that the record tells of.
 */
export async function* deadLetterByHand(
  connection: Connection,
  request: GiveUpRequest,
): AsyncGenerator<GivenUp> {
  const { stream, group, dryRun, signal, onStays } = request;
  const streams = streamsOf(connection);
  const holders = new Holders(streams, { group, required: false });
  if (!dryRun) await onStream(connection, stream, group, () => holders.begin(stream));
  for await (const ids of request.ids) {
    for (const id of ids) {
      if (signal.aborted) return;
      const row = await giveUp(id);
      if (row) {
        const { consumer, deliveries } = row;
        yield { stream, dlq: request.dlq, group, id, consumer, idleMs: livedIdleMs(row, null), deliveries };
      }
    }
  }

  /** The row as it was, when it was moved. */
  async function giveUp(id: EntryId): Promise<PendingRow | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const [row] = await onStream(connection, stream, group, () =>
        connection.persist(() => pendingPage(connection, stream, group, id, 1, undefined, id), { signal }),
      );
      if (!row) break;
      const entry = await read(id);
      if (!entry) {
        onStays(id, "missing");
        return undefined;
      }
      if (dryRun || (await move(entry, row))) return row;
    }
    onStays(id, "notPending");
    return undefined;
  }

  async function read(id: EntryId): Promise<Entry | undefined> {
    for await (const [entry] of entriesById(connection, stream, [[id]], signal)) return entry;
    return undefined;
  }

  async function move(entry: Entry, { consumer, deliveries }: PendingRow): Promise<boolean> {
    const settings = {
      group,
      consumer,
      holders: (of: StreamKey) => holders.of(of),
      dlqKey: () => request.dlq,
    };
    const claim = { id: entry.id, fence: deliveries };
    const delivery = { stream, entry, deliveries, claim, orphaned: false };
    const verdict = { kind: "dead", reason: request.reason, stderr: NO_STDERR } as const;
    const hint = "see dlq list; running it again is safe: what has moved is no longer pending";
    const owned = await writeOnce(`dead-lettering ${entry.id} of ${stream}`, hint, () =>
      moveToDeadLetters(streams, settings, delivery, verdict, new Date()),
    );
    return isDone(owned);
  }
}

const NO_STDERR = Buffer.alloc(0);
