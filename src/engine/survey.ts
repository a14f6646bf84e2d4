import type { GroupName, StreamKey } from "../entry/names.ts";
import { ServerError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";
import { entryCount } from "../redis/ops/key.ts";
import { countBudget, type GroupLag, groupLags } from "./lag/lag.ts";
import type { LagMemory } from "./lag/lag-memory.ts";
import { overviews, type StreamOverview } from "./streams.ts";

/** How many dead letters a stream has. */
export interface DeadLetters {
  readonly stream: StreamKey;
  readonly dlq: StreamKey;
  readonly count: number;
}

/** What there is to see of many streams, their groups and their dead-letter queues at one moment. */
export interface Survey {
  readonly streams: readonly StreamOverview[];
  readonly groups: readonly GroupLag[];
  /** Only of streams that have groups: others have no dead letters. */
  readonly deadLetters: readonly DeadLetters[];
  /** How many streams there were beyond `maxStreams`. */
  readonly leftOut: number;
}

export interface SurveyRequest {
  /** The streams of the moment; what has gone meanwhile is left out. */
  readonly find: () => Promise<readonly StreamKey[]>;
  readonly group?: GroupName | undefined;
  readonly dlqKey: (stream: StreamKey) => StreamKey;
  /** How many entries of a lag to count at one look. */
  readonly countLimit: number;
  /** What earlier looks have counted. */
  readonly memory: LagMemory;
  readonly maxStreams: number;
  readonly signal: AbortSignal;
}

/** Looks at everything once. */
export async function survey(connection: Connection, request: SurveyRequest): Promise<Survey> {
  const { group, countLimit, memory, maxStreams, signal } = request;
  const found = await request.find();
  const names = found.slice(0, maxStreams);
  const named = new Set<string>();
  const streams = await all(overviews(connection, names, { named, signal }));
  const groups = await groupLags(connection, {
    streams: names,
    named,
    group,
    countLimit,
    budget: countBudget(),
    memory,
    signal,
  });
  const worked = streams.filter((overview) => overview.groups > 0);
  const deadLetters = await Promise.all(
    worked.map(({ stream }) => countDeadLetters(connection, stream, request.dlqKey(stream))),
  );
  return {
    streams,
    groups,
    deadLetters: deadLetters.filter((letters) => letters !== undefined),
    leftOut: found.length - names.length,
  };
}

/** Undefined where this user may not look, or where the key holds something else. */
async function countDeadLetters(
  connection: Connection,
  stream: StreamKey,
  dlq: StreamKey,
): Promise<DeadLetters | undefined> {
  try {
    return { stream, dlq, count: await entryCount(connection, dlq) };
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
