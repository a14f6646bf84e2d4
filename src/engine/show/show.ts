import type { Entry } from "../../entry/entry.ts";
import { compareIds, type EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { type GroupInfo, groupInfos } from "../../redis/ops/info.ts";
import { pendingPage } from "../../redis/ops/pending.ts";
import { onStream } from "../groups/missing.ts";
import { entryAgeMs, livedIdleMs, serverClock } from "../pending/idle.ts";
import { entriesById } from "../read/by-id.ts";

/** Where an entry stands with one group. */
export interface GroupStanding {
  readonly group: GroupName;
  /** `undelivered`: still to come; `passed`: acked, or skipped when the group was set beyond it. */
  readonly state: "undelivered" | "pending" | "passed";
  /** With whom it is pending. */
  readonly consumer: string | null;
  /** Since it was delivered or claimed; null when it is not pending, or that was set and did not pass. */
  readonly idleMs: number | null;
  readonly deliveries: number | null;
}

export interface ShownEntry {
  readonly stream: StreamKey;
  readonly entry: Entry;
  /** Since it stands in the stream, by its ID; null when that is no time. */
  readonly ageMs: number | null;
  /** Bytes of its names and values. */
  readonly bytes: number;
  readonly groups: readonly GroupStanding[];
}

export interface ShowRequest {
  readonly stream: StreamKey;
  readonly ids: AsyncIterable<readonly EntryId[]>;
  readonly signal: AbortSignal;
  readonly onMissing: (id: EntryId) => void;
}

/** The entries with these IDs, in the order given, and where each stands with every group. */
export async function* showEntries(
  connection: Connection,
  { stream, ids, signal, onMissing }: ShowRequest,
): AsyncGenerator<ShownEntry> {
  const clock = await serverClock(connection);
  const asked: EntryId[] = [];
  async function* noted(): AsyncGenerator<readonly EntryId[]> {
    for await (const some of ids) {
      asked.push(...some);
      yield some;
    }
  }
  for await (const page of entriesById(connection, stream, noted(), signal)) {
    for (const entry of page) {
      const id = asked.shift() as EntryId;
      if (!entry) {
        onMissing(id);
        continue;
      }
      const bytes = entry.fields.reduce((sum, { length }) => sum + length, 0);
      const groups = await standings(connection, stream, id);
      yield { stream, entry, ageMs: entryAgeMs(id, clock()), bytes, groups };
    }
  }
}

async function standings(connection: Connection, stream: StreamKey, id: EntryId): Promise<GroupStanding[]> {
  return onStream(connection, stream, undefined, async () => {
    const groups = await connection.persist(() => groupInfos(connection, stream));
    return Promise.all(groups.map((group) => standing(connection, stream, group, id)));
  });
}

async function standing(
  connection: Connection,
  stream: StreamKey,
  { name: group, lastDeliveredId }: GroupInfo,
  id: EntryId,
): Promise<GroupStanding> {
  const [row] = await connection.persist(() => pendingPage(connection, stream, group, id, 1, undefined, id));
  if (row) {
    const { consumer, deliveries } = row;
    return { group, state: "pending", consumer, idleMs: livedIdleMs(row, null), deliveries };
  }
  const state = compareIds(id, lastDeliveredId) > 0 ? "undelivered" : "passed";
  return { group, state, consumer: null, idleMs: null, deliveries: null };
}
