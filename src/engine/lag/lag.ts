import { compareIds, idMs, nextId } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { BulkCaller, type Caller } from "../../redis/streams/bulk-caller.ts";
import { type GroupInfo, groupInfos, type StreamInfo, streamInfo } from "../../redis/streams/info.ts";
import { rangePage } from "../../redis/streams/range.ts";
import { explain, noGroup } from "../groups/missing.ts";
import { pendingPages } from "../pending/pages.ts";
import { serverNowMs } from "../position.ts";
import { type Count, countUndelivered } from "./count-undelivered.ts";
import { knownLag } from "./known-lag.ts";
import { serverCountsRight } from "./server-counts.ts";

/** How far one group of one stream is behind. Ages are by the server's clock; null is unknown or none. */
export interface GroupLag {
  readonly stream: string;
  readonly group: string;
  /** Entries in the stream that the group has not been given. Null: only `lagAtLeast` is known. */
  readonly lag: number | null;
  readonly lagAtLeast: number | null;
  readonly consumers: number;
  readonly pending: number;
  readonly oldestPendingMs: number | null;
  readonly oldestUndeliveredMs: number | null;
  /** The highest delivery count among the pending entries, 0 without any. Null: too many to look through. */
  readonly maxDeliveries: number | null;
  readonly lastDeliveredId: string;
}

/** What makes two looks at a group comparable, besides. Null is unknown. */
export interface GroupCounters {
  /** How many entries the stream ever got (7.0). */
  readonly entriesAdded: number | null;
  /** How many entries the group was ever given (7.0, and not for a group made in the middle). */
  readonly entriesRead: number | null;
  readonly firstId: string | null;
}

/** One look at a group. */
export interface GroupLook extends GroupLag, GroupCounters {}

export interface LagRequest {
  readonly streams: readonly string[];
  /** Streams that must be there; any other one may vanish while we look. */
  readonly named: ReadonlySet<string>;
  /** Only this group. A named stream must have it. */
  readonly group?: string | undefined;
  /** How many entries to count through where the server does not know the lag. */
  readonly countLimit: number;
  readonly signal: AbortSignal;
}

export const COUNT_LIMIT = 100_000;

/** Streams asked for in one round trip; their first and last entries come with the reply. */
const STREAMS_AT_ONCE = 500;
/** Groups whose entries are counted side by side. */
const COUNTS_AT_ONCE = 16;
/** Of a longer pending list the highest delivery count is not worth the round trips. */
const PENDING_LOOKED_AT = 10_000;

/** With fewer streams a connection of their own costs more than it saves. */
const WORTH_A_LANE = 50;

/** The lag of every group of the streams, in their order. Round trips grow with the streams by 500s. */
export async function* groupLags(connection: Connection, request: LagRequest): AsyncGenerator<GroupLook> {
  const trusted = once(() => serverCountsRight(connection));
  const bulk =
    connection.cluster || request.streams.length < WORTH_A_LANE
      ? undefined
      : await BulkCaller.open(connection);
  const caller = bulk ?? connection;
  try {
    for (let at = 0; at < request.streams.length && !request.signal.aborted; at += STREAMS_AT_ONCE) {
      const names = request.streams.slice(at, at + STREAMS_AT_ONCE);
      const [nowMs, ...looks] = await Promise.all([
        serverNowMs(connection),
        ...names.map((stream) => look(caller, stream, request)),
      ]);
      const found = looks.flat();
      const counts = await countAll(caller, found, trusted, request);
      const facts = await Promise.all(found.map((item, index) => agesOf(caller, item, counts[index])));
      yield* found.map((item, index) => rowOf(item, counts[index] as Count, facts[index] as Facts, nowMs));
    }
  } finally {
    bulk?.close();
  }
}

function rowOf(
  { stream, info, group }: Found,
  { count, exact }: Count,
  facts: Facts,
  nowMs: number,
): GroupLook {
  return {
    stream,
    group: group.name,
    lag: exact ? count : null,
    lagAtLeast: exact ? null : count,
    consumers: group.consumers,
    pending: group.pending,
    oldestPendingMs: ageMs(facts.oldestPendingId, nowMs),
    oldestUndeliveredMs: ageMs(facts.oldestUndeliveredId, nowMs),
    maxDeliveries: facts.maxDeliveries,
    lastDeliveredId: group.lastDeliveredId,
    entriesAdded: info.entriesAdded ?? null,
    entriesRead: group.entriesRead,
    firstId: info.firstId ?? null,
  };
}

interface Found {
  readonly stream: string;
  readonly info: StreamInfo;
  readonly group: GroupInfo;
}

async function look(connection: Caller, stream: string, request: LagRequest): Promise<Found[]> {
  const named = request.named.has(stream);
  try {
    // Sent in this order on one connection: see knownLag.
    const [groups, info] = await Promise.all([
      groupInfos(connection, stream),
      streamInfo(connection, stream),
    ]);
    const wanted = groups.filter(({ name }) => request.group === undefined || name === request.group);
    if (named && request.group !== undefined && wanted.length === 0)
      throw noGroup(
        stream,
        request.group,
        groups.map(({ name }) => name),
      );
    return wanted.map((group) => ({ stream, info, group }));
  } catch (error) {
    const vanished =
      error instanceof ServerError && (error.kind === "notFound" || error.code === "WRONGTYPE");
    if (vanished && !named) return [];
    throw await explain(connection, stream, undefined, error);
  }
}

/** The lag of each group, asking and counting no more than needed. */
async function countAll(
  connection: Caller,
  groups: readonly Found[],
  trusted: () => Promise<boolean>,
  { countLimit: limit, signal }: LagRequest,
): Promise<Count[]> {
  return mapAtMost(COUNTS_AT_ONCE, groups, async ({ stream, info, group }) => {
    const lag = knownLag(info, group, undefined) ?? knownLag(info, group, await trusted());
    if (lag !== undefined) return { count: lag, exact: true };
    const { lastDeliveredId } = group;
    return countUndelivered(connection, stream, { lastDeliveredId, found: info, limit }, signal);
  });
}

interface Facts {
  readonly oldestPendingId: string | undefined;
  readonly oldestUndeliveredId: string | undefined;
  readonly maxDeliveries: number | null;
}

async function agesOf(connection: Caller, found: Found, count: Count | undefined): Promise<Facts> {
  const [pending, oldestUndeliveredId] = await Promise.all([
    lookThroughPending(connection, found),
    count?.count === 0 && count.exact ? undefined : firstUndelivered(connection, found),
  ]);
  return { ...pending, oldestUndeliveredId };
}

async function firstUndelivered(
  connection: Caller,
  { stream, info, group }: Found,
): Promise<string | undefined> {
  const { lastDeliveredId } = group;
  if (info.firstId !== undefined && compareIds(lastDeliveredId, info.firstId) < 0) return info.firstId;
  const from = nextId(lastDeliveredId);
  if (from === undefined) return undefined;
  const [first] = await rangePage(connection, stream, { from, to: "+", count: 1 });
  return first?.id;
}

async function lookThroughPending(
  connection: Caller,
  { stream, group }: Found,
): Promise<Pick<Facts, "oldestPendingId" | "maxDeliveries">> {
  if (group.pending === 0) return { oldestPendingId: undefined, maxDeliveries: 0 };
  let oldestPendingId: string | undefined;
  let most = 0;
  let seen = 0;
  for await (const page of pendingPages(connection, { stream, group: group.name })) {
    oldestPendingId ??= page[0]?.id;
    seen += page.length;
    for (const { deliveries } of page) most = Math.max(most, deliveries);
    // A maximum over a part would be a guess.
    if (seen < group.pending && group.pending > PENDING_LOOKED_AT)
      return { oldestPendingId, maxDeliveries: null };
  }
  return { oldestPendingId, maxDeliveries: most };
}

/** IDs from before Redis had streams are numbers that somebody chose, not times. */
const FIRST_TIME_MS = Date.UTC(2017, 0);

/** How old an entry is by its ID; null for none, and for an ID that is not a time. */
export function ageMs(id: string | undefined, nowMs: number): number | null {
  if (id === undefined) return null;
  const ms = idMs(id);
  return ms < FIRST_TIME_MS ? null : Math.max(0, nowMs - ms);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** Maps with at most `limit` calls under way, keeping the order. */
async function mapAtMost<T, R>(
  limit: number,
  items: readonly T[],
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) results[index] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
