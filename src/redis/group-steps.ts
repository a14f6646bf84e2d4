import type { Connection } from "./connection.ts";
import { type Member, settlingKeys } from "./ops/member.ts";
import { heartbeat } from "./scripts/heartbeat.ts";
import { restoreGroup } from "./scripts/restore-group.ts";
import { ack, requeue } from "./scripts/settle.ts";
import { take } from "./scripts/take.ts";
import { asList, asNumber, asText, type Value } from "./value.ts";

export interface Taken {
  readonly id: string;
  readonly deliveries: number;
  readonly from: string;
  /** Undefined: the data had gone from the stream, and the entry was acked. */
  readonly fields: Buffer[] | undefined;
}

export interface TakeRule {
  readonly claimIdleMs: number;
  readonly delayMs: number;
  readonly maxDelayMs: number;
  readonly own: OwnRule;
}

/**
 * What to do with entries that are pending for this consumer already. due: treat them like everybody's; lost:
 * take them whatever their idle time, because the reply that brought them was lost, and don't count that twice;
 * given: take them whatever their idle time, and count it.
 */
export type OwnRule = "due" | "lost" | "given";

export const OWN_FLAG = { due: 0, lost: 1, given: 2 } as const;

export async function takeEntries(
  connection: Connection,
  stream: string,
  member: Member,
  rule: TakeRule,
  ids: readonly string[],
): Promise<Taken[]> {
  const { claimIdleMs, delayMs, maxDelayMs, own } = rule;
  const head = [member.group, member.consumer, claimIdleMs, delayMs, maxDelayMs, OWN_FLAG[own]];
  const rows = asList(await connection.run(take, settlingKeys(member, stream), [...head, ...ids]));
  return rows.map((row) => takenRow(row));
}

/** One entry as the take scripts answer it. */
export function takenRow(row: Value): Taken {
  const [id, deliveries, from, fields] = asList(row);
  return {
    id: asText(id),
    deliveries: asNumber(deliveries),
    from: asText(from),
    fields: Array.isArray(fields) ? (fields as Buffer[]) : undefined,
  };
}

/** An entry that a member had, and how it stood in the pending list. */
export interface Held {
  readonly id: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

export interface Restored {
  /** Whether the group had to be made again. */
  readonly made: boolean;
  /** Where it was made, or moved on to. */
  readonly position: string | undefined;
  /** How many entries were made pending again. */
  readonly entries: number;
}

/**
 * Makes pending again what the member had and Redis has thrown away; first, after `start`, the group, when it has
 * gone. Without a start a group that has gone is left alone.
 */
export async function restoreThrownAway(
  connection: Connection,
  stream: string,
  member: Member,
  start: string | undefined,
  held: readonly Held[],
): Promise<Restored> {
  const entries = held.flatMap(({ id, idleMs, deliveries }) => [id, idleMs, deliveries]);
  const args = [member.group, member.consumer, start ?? "", ...entries];
  const [position = null, count = 0, made] = asList(
    await connection.run(restoreGroup, settlingKeys(member, stream), args),
  );
  return {
    made: made === 1,
    position: position === null ? undefined : asText(position),
    entries: asNumber(count),
  };
}

/** One take of an entry: `fence` is the delivery count that it had then, or NO_FENCE (see scripts/owned.ts). */
export interface Claim {
  readonly id: string;
  readonly fence: number;
}

/** Per entry one of `Owned`. */
export async function keepAlive(
  connection: Connection,
  stream: string,
  member: Member,
  claims: readonly Claim[],
): Promise<number[]> {
  const args = [member.group, member.consumer, ...claims.flatMap(({ id, fence }) => [id, fence])];
  return numbers(await connection.run(heartbeat, [stream], args));
}

/** Per entry one of `Owned`. */
export async function ackOwned(
  connection: Connection,
  stream: string,
  member: Member,
  claims: readonly Claim[],
  remove: boolean,
): Promise<number[]> {
  const head = [member.group, member.consumer, remove ? 1 : 0];
  const args = [...head, ...claims.flatMap(({ id, fence }) => [id, fence])];
  return numbers(await connection.run(ack, settlingKeys(member, stream), args));
}

/** Leaves one entry pending, with so many deliveries, so that it comes due at `dueIdleMs`. One of `Owned`. */
export async function requeueOwned(
  connection: Connection,
  stream: string,
  member: Member,
  entry: Claim & { readonly idleMs: number; readonly deliveries: number; readonly dueIdleMs: number },
): Promise<number> {
  const { id, fence, idleMs, deliveries, dueIdleMs } = entry;
  const args = [member.group, member.consumer, id, fence, idleMs, deliveries, Math.round(dueIdleMs)];
  return numbers(await connection.run(requeue, settlingKeys(member, stream), args))[0] ?? 0;
}

function numbers(value: Value): number[] {
  return asList(value).map((item) => asNumber(item));
}
