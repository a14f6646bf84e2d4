import { PUT_OFF_CONSUMER } from "../../redis/ops/schedule-keys.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type ConsumerInfo, consumerInfos, groupInfos } from "../../redis/ops/info.ts";
import { atOneTime, type RunningWorker, workersOf } from "../../redis/ops/register.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { explain, noGroup } from "./missing.ts";

/** One consumer of one group. */
export interface GroupConsumer {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly consumer: string;
  readonly pending: number;
  readonly idleMs: number;
  /** Null: it never got anything, or the server does not tell (before 7.2). */
  readonly inactiveMs: number | null;
  /** It holds entries and has not been heard of for long. Slow work without heartbeats looks the same. */
  readonly looksDead: boolean;
  /** The worker that wrote last that it works by that name; null: none did, or this user may not see it. */
  readonly worker: RunningWorker | null;
  /** How many workers that live do so; null: not known. */
  readonly workers: number | null;
}

/** Heartbeats come far more often, and few handlers take longer. */
export const DEAD_AFTER_MS = 300_000;

/** One that holds nothing was not needed for so long. */
export const EMPTY_AFTER_MS = 86_400_000;

export function looksDead({ name, pending, idleMs }: ConsumerInfo, deadAfterMs: number): boolean {
  return pending > 0 && idleMs >= deadAfterMs && name !== PUT_OFF_CONSUMER;
}

export interface ConsumersRequest {
  readonly streams: readonly StreamKey[];
  /** Streams that must be there, and have the group. */
  readonly named: ReadonlySet<string>;
  readonly group: GroupName | undefined;
  readonly deadAfterMs: number;
  readonly signal: AbortSignal;
}

/** The consumers of the group, or of all groups, stream by stream. */
export async function* groupConsumers(
  connection: Connection,
  request: ConsumersRequest,
): AsyncGenerator<GroupConsumer> {
  for (const stream of request.streams) {
    if (request.signal.aborted) return;
    for (const group of await groupsOf(connection, stream, request)) {
      const running = await runningWorkers(connection, stream, group);
      for (const info of await consumersOf(connection, stream, group)) {
        const { name: consumer, pending, idleMs, inactiveMs } = info;
        const dead = looksDead(info, request.deadAfterMs);
        const named = running?.get(consumer) ?? [];
        const worker = named.at(-1) ?? null;
        const workers = running === undefined ? null : Math.max(atOneTime(named).length, worker ? 1 : 0);
        yield { stream, group, consumer, pending, idleMs, inactiveMs, looksDead: dead, worker, workers };
      }
    }
  }
}

/** Undefined where this user may not look. */
async function runningWorkers(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
): ReturnType<typeof workersOf> {
  try {
    return await workersOf(connection, stream, group, () => serverNowMs(connection));
  } catch (error) {
    // It shows what there is besides.
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}

async function groupsOf(
  connection: Connection,
  stream: StreamKey,
  { named, group }: ConsumersRequest,
): Promise<GroupName[]> {
  try {
    const names = (await groupInfos(connection, stream)).map(({ name }) => name);
    if (group === undefined) return names;
    if (names.includes(group)) return [group];
    if (named.has(stream)) throw noGroup(stream, group, names);
    return [];
  } catch (error) {
    if (isGone(error) && !named.has(stream)) return [];
    throw await explain(connection, stream, undefined, error);
  }
}

/** A group that goes meanwhile has no consumers. */
async function consumersOf(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
): Promise<ConsumerInfo[]> {
  try {
    return await consumerInfos(connection, stream, group);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ServerError && error.kind === "notFound";
}
