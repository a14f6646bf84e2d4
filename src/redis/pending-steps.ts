import type { Connection } from "./connection.ts";
import { ackAny } from "./scripts/ack-any.ts";
import { claim } from "./scripts/claim.ts";
import { handOver } from "./scripts/hand-over.ts";
import { asList, asNumber, asText, type Value } from "./value.ts";

/** An entry of the pending list as a step by hand found it, and what the step did. */
export interface Settled<State> {
  readonly id: string;
  readonly state: State;
  /** The owner, idle time and delivery count before the step; empty and 0 when it is not pending. */
  readonly owner: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

/** The group of a stream whose pending list is changed by hand. */
export interface PendingTarget {
  readonly stream: string;
  readonly group: string;
}

export interface ClaimRule {
  /** Undefined: move nothing. */
  readonly to: string | undefined;
  readonly countDelivery: boolean;
  readonly dropMissing: boolean;
  readonly dryRun: boolean;
  readonly minIdleMs: number;
  readonly minDeliveries: number;
  /** Only what is pending for this consumer. */
  readonly from: string | undefined;
}

/** What became of one ID; see scripts/claim.ts. */
export type ClaimState = "claimed" | "dropped" | "already" | "left" | "notPending" | "unmatched" | "missing";

const CLAIM_STATES: Readonly<Record<number, ClaimState>> = {
  1: "claimed",
  2: "dropped",
  3: "already",
  4: "left",
  0: "notPending",
  [-1]: "unmatched",
  [-2]: "missing",
};

/** One step, sent once; answers are in the order of the IDs. */
export async function claimEntries(
  connection: Connection,
  { stream, group }: PendingTarget,
  rule: ClaimRule,
  ids: readonly string[],
): Promise<Settled<ClaimState>[]> {
  const { to = "", from = "" } = rule;
  const action = rule.to === undefined ? "leave" : rule.countDelivery ? "count" : "claim";
  const flags = [flag(rule.dropMissing), flag(rule.dryRun), rule.minIdleMs, rule.minDeliveries];
  const args = [group, to, action, ...flags, flag(rule.from !== undefined), from, ...ids];
  return settled(await connection.run(claim, [stream], args), ids, (code) => {
    return CLAIM_STATES[code] ?? "notPending";
  });
}

/** One step, sent once; answers are in the order of the IDs. */
export async function ackEntries(
  connection: Connection,
  { stream, group }: PendingTarget,
  dryRun: boolean,
  ids: readonly string[],
): Promise<Settled<"acked" | "notPending">[]> {
  const reply = await connection.run(ackAny, [stream], [group, flag(dryRun), ...ids]);
  return settled(reply, ids, (code) => (code === 1 ? "acked" : "notPending"));
}

export interface HandedOver {
  readonly removed: boolean;
  readonly moved: number;
  /** Acked, because their data was gone. */
  readonly dropped: number;
}

/** One step of at most `most` entries, sent once. */
export async function handOverEntries(
  connection: Connection,
  { stream, group }: PendingTarget,
  consumer: string,
  heir: string,
  most: number,
): Promise<HandedOver> {
  const reply = asList(await connection.run(handOver, [stream], [group, consumer, heir, most]));
  const [removed, moved, dropped] = reply.map((value) => asNumber(value));
  return { removed: removed === 1, moved: moved ?? 0, dropped: dropped ?? 0 };
}

function settled<State>(
  reply: Value,
  ids: readonly string[],
  stateOf: (code: number) => State,
): Settled<State>[] {
  return asList(reply).map((answer, index) => {
    const [code, owner, idleMs, deliveries] = asList(answer);
    return {
      id: ids[index] as string,
      state: stateOf(asNumber(code)),
      owner: asText(owner),
      idleMs: asNumber(idleMs),
      deliveries: asNumber(deliveries),
    };
  });
}

function flag(on: boolean): number {
  return on ? 1 : 0;
}
