import { type EntryId, idMs } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { ask, type Question } from "../../redis/ops/ask.ts";
import { firstDueQuestion, overdueMs } from "../../redis/ops/overdue.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { countKnownQuestion } from "../../redis/ops/count.ts";
import { type CountBudget, countAll, type CountedGroup, type CountRequest } from "./count-all.ts";
import type { Pause } from "../../redis/ops/pause.ts";
import { type Facts, findFacts } from "./facts.ts";
import { type Asker, type FoundGroup, findGroups } from "./find-groups.ts";
import { findPauses } from "./pauses.ts";

/** How far one group of one stream is behind. Ages are by the server's clock; null is unknown or none. */
export interface GroupLag {
  readonly stream: StreamKey;
  readonly group: GroupName;
  /** Entries in the stream that the group has not been given. Null: only `lagAtLeast` is known. */
  readonly lag: number | null;
  readonly lagAtLeast: number | null;
  readonly consumers: number;
  readonly pending: number;
  readonly oldestPendingMs: number | null;
  readonly oldestUndeliveredMs: number | null;
  /** The highest delivery count among the pending entries, 0 without any. Null: too many to look through. */
  readonly maxDeliveries: number | null;
  readonly lastDeliveredId: EntryId;
  /** Undefined: it is not paused; null: this user may not look. */
  readonly pause?: Pause | null | undefined;
}

/** What makes two looks at a group comparable, besides. Null is unknown. */
export interface GroupCounters {
  /** How many entries the stream ever got (7.0). */
  readonly entriesAdded: number | null;
  /** How many entries the group was ever given (7.0, and not for a group made in the middle). */
  readonly entriesRead: number | null;
  readonly firstId: EntryId | null;
}

/** One look at a group. */
export interface GroupLook extends GroupLag, GroupCounters {}

export interface LagRequest extends CountRequest {
  readonly streams: readonly StreamKey[];
  /** Only this group. A named stream must have it. */
  readonly group?: GroupName | undefined;
  /** Hears of streams for which something was to be added by now, and for how long it has been overdue. */
  readonly onOverdue?: ((stream: StreamKey, overdueMs: number) => void) | undefined;
}

/** How far one group is counted, unless somebody says otherwise: about a tenth of a second. */
export const COUNT_LIMIT = 100_000;

/** The same for all groups of one look. */
export function countBudget(): CountBudget {
  return { left: 5 * COUNT_LIMIT };
}

/** Streams asked for in one round trip. */
const STREAMS_AT_ONCE = 500;

/** With fewer streams a connection of their own costs more than it saves. */
const WORTH_A_LANE = 50;

/** The lag of every group of the streams, in their order. */
export async function groupLags(connection: Connection, request: LagRequest): Promise<GroupLook[]> {
  const all: GroupLook[] = [];
  for await (const page of lagPages(connection, request)) all.push(...page);
  return all;
}

/**
 * The same by pages, for what shows them as they come. Round trips grow with the streams by 500s: one for
 * what their groups are, one for what that leaves open, and more only where entries have to be counted.
 */
export async function* lagPages(connection: Connection, request: LagRequest): AsyncGenerator<GroupLook[]> {
  const pipeline =
    connection.cluster || request.streams.length < WORTH_A_LANE
      ? undefined
      : await connection.pipeline("", { text: true });
  const asker: Asker = (questions) => ask(connection, pipeline, questions);
  try {
    await request.memory?.begin(connection);
    const look = async (at: number): Promise<{ found: FoundGroup[]; nowMs: number }> => {
      const names = request.streams.slice(at, at + STREAMS_AT_ONCE);
      const clock = serverNowMs(connection);
      // Of two refusals that of the streams says more; this one is thrown below.
      clock.catch(() => {});
      const due = new Map<StreamKey, number>();
      const [found] = await Promise.all([
        findGroups(connection, asker, names, request),
        at === 0 && pipeline ? asker([countKnownQuestion()]) : undefined,
        request.onOverdue && asker(dueQuestions(names, connection.cluster, due)),
      ]);
      const nowMs = await clock;
      for (const [stream, dueMs] of due) {
        const lateMs = overdueMs(dueMs, nowMs);
        if (lateMs !== undefined) request.onOverdue?.(stream, lateMs);
      }
      return { found, nowMs };
    };
    let next: ReturnType<typeof look> | undefined;
    for (let at = 0; at < request.streams.length && !request.signal.aborted; at += STREAMS_AT_ONCE) {
      const { found, nowMs } = await (next ?? look(at));
      // The server looks at the next streams while these are counted and printed.
      next = at + STREAMS_AT_ONCE < request.streams.length ? look(at + STREAMS_AT_ONCE) : undefined;
      next?.catch(() => {});
      const [counts, facts, pauses] = await Promise.all([
        countAll(connection, asker, found, request),
        findFacts(connection, asker, found, request.named),
        findPauses(connection, asker, found),
      ]);
      yield found.flatMap((item, index) => {
        const [counted, known] = [counts[index], facts[index]];
        return counted && known ? [{ ...rowOf(item, counted, known, nowMs), pause: pauses[index] }] : [];
      });
    }
  } finally {
    pipeline?.close();
  }
}

function dueQuestions(
  streams: readonly StreamKey[],
  cluster: boolean,
  due: Map<StreamKey, number>,
): Question[] {
  return streams.flatMap((stream) => firstDueQuestion(stream, cluster, (ms) => due.set(stream, ms)) ?? []);
}

function rowOf(
  { stream, info, group }: FoundGroup,
  { count, exact, oldestUndeliveredId }: CountedGroup,
  facts: Facts,
  nowMs: number,
): Omit<GroupLook, "pause"> {
  return {
    stream,
    group: group.name,
    lag: exact ? count : null,
    lagAtLeast: exact ? null : count,
    consumers: group.consumers,
    pending: group.pending,
    oldestPendingMs: ageMs(facts.oldestPendingId, nowMs),
    oldestUndeliveredMs: ageMs(oldestUndeliveredId, nowMs),
    maxDeliveries: facts.maxDeliveries,
    lastDeliveredId: group.lastDeliveredId,
    entriesAdded: info.entriesAdded ?? null,
    entriesRead: group.entriesRead,
    firstId: info.firstId ?? null,
  };
}

/** IDs from before Redis had streams are numbers that somebody chose, not times. */
const FIRST_TIME_MS = Date.UTC(2017, 0);

/** How old an entry is by its ID; null for none, and for an ID that is not a time. */
export function ageMs(id: EntryId | undefined, nowMs: number): number | null {
  if (id === undefined) return null;
  const ms = idMs(id);
  return ms < FIRST_TIME_MS ? null : Math.max(0, nowMs - ms);
}
