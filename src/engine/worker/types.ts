import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { DueAdded } from "../../redis/ops/add-due.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { GroupStart } from "../groups/start.ts";
import type { EndRules } from "../group-reader/ends.ts";
import type { Job } from "../handlers/handler.ts";
import type { EntryFilter } from "../where.ts";
import type { Outcome } from "../handlers/outcome.ts";

/** What a worker was asked to do. Times are in ms. */
export interface WorkerSettings extends Member {
  /** Those of the moment: with patterns, another array whenever one joins or leaves. */
  readonly streams: readonly StreamKey[];
  /**
   * True when the consumer's name was made up for this process: then whatever is pending under it and not
   * in flight here was lost on the way, and may be taken at once.
   */
  readonly consumerIsUnique: boolean;
  /** Entries with one value of this field run one at a time, in stream order, over all workers of the group. */
  readonly orderBy?: string | undefined;
  /** The most entries that may be read before there is a slot for them. */
  readonly ahead: number;
  /** What does not match is acked without a run. */
  readonly where?: EntryFilter | undefined;
  /** Starts per second, over all entries of this worker. */
  readonly ratePerSecond?: number | undefined;
  /** After that many failures in a row only probes are run. */
  readonly pauseAfter?: number | undefined;
  readonly dedupe?: DedupeRule | undefined;
  /** Where the lines go that handlers print. */
  readonly emitTo?: StreamKey | undefined;
  readonly claimIdleMs: number;
  readonly retry: RetryPolicy;
  readonly shutdownTimeoutMs: number;
  readonly killAfterMs: number;
  /** Also XDEL what is acked. */
  readonly deleteAcked: boolean;
  /** Where to make a group that is missing at the start. Undefined: it must be there. */
  readonly createAt: GroupStart | undefined;
  /** Whether the server tells a consumer that has got entries from one that has only asked (since 7.2). */
  readonly tellsInactive?: boolean | undefined;
  /** What it writes of itself beside its streams, for `group consumers`; undefined: nothing. */
  readonly register?: WorkerIdentity | undefined;
  /** To be called before anything is taken from a stream. */
  readonly beginHolding?: ((stream: StreamKey) => Promise<void>) | undefined;
  /** The dead-letter queue of a stream. */
  readonly dlqKey: (stream: StreamKey) => StreamKey;
  /** `count`: of entries that were settled; `untilEmpty`: when nothing is pending in the group either. */
  readonly ends: EndRules;
}

/** The process of a worker. */
export interface WorkerIdentity {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
}

/** Entries whose value of `field` has succeeded before are acked without a run. */
export interface DedupeRule {
  readonly field: string;
  readonly ttlMs: number;
}

export interface RetryPolicy {
  /** How often an entry may be delivered, the first time included. */
  readonly maxDeliveries: number;
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Exit codes that no retry will help. */
  readonly deadOn: ReadonlySet<number>;
  /** Exit codes that are retried although they are dead-lettered by default. */
  readonly retryOn: ReadonlySet<number>;
}

/** One entry as this worker got it. What comes of it is in in-flight.ts. */
export interface Delivery extends Job {
  /** The delivery count that it has in Redis, where that is not `deliveries`. */
  readonly fence?: number | undefined;
}

/** What is to become of an entry. */
export type Verdict =
  /** `stdout`: what the handler printed, where that is to be emitted; `outputs`: the entries it makes. */
  | { readonly kind: "ack"; readonly stdout?: Buffer; readonly outputs?: readonly (readonly Buffer[])[] }
  /** Its key has succeeded before: acked without a run. */
  | { readonly kind: "duplicate" }
  /** It does not match `--where`: acked without a run. */
  | { readonly kind: "unmatched" }
  /** `counted` false: the delivery does not count (the handler's surroundings failed, not the entry). */
  | {
      readonly kind: "retry";
      readonly delayMs: number;
      readonly reason: string;
      readonly counted?: boolean;
      readonly exit?: string;
      readonly stderr?: Buffer;
    }
  /** Later, as if it had not been delivered: the handler asked for it. */
  | {
      readonly kind: "snooze";
      readonly delayMs: number;
      readonly reason: string;
      readonly counted: false;
      readonly stderr?: Buffer;
    }
  | { readonly kind: "dead"; readonly reason: string; readonly exit?: string; readonly stderr: Buffer }
  /** Back to the group at once; `counted` says whether this delivery keeps its place in the count. */
  | { readonly kind: "release"; readonly counted: boolean }
  /** The deployment is broken, not the entry: it goes back uncounted and the worker stops. */
  | { readonly kind: "broken"; readonly reason: string };

const LEAVING: ReadonlySet<Verdict["kind"]> = new Set(["retry", "snooze", "release", "broken"]);

/** Whether a verdict leaves its entry pending. */
export function leavesPending({ kind }: Verdict): boolean {
  return LEAVING.has(kind);
}

/** Others get the entry at once, and its delivery is not counted. */
export const HAND_BACK: Verdict = { kind: "release", counted: false };

/** What a worker tells its surroundings while it runs. */
export interface WorkerObserver {
  /** An invocation for a batch of entries has ended, with an outcome for each. */
  ran(outcomes: readonly Outcome[], durationMs: number): void;
  settled(delivery: Delivery, verdict: Verdict, durationMs: number): void;
  /**
   * The entry had another owner when its verdict was to be delivered: the verdict was dropped. Without a verdict: when
   * it was to be run.
   */
  lost(delivery: Delivery, verdict: Verdict | undefined, owner: "another" | "nobody"): void;
  /** Pending entries whose data had gone from the stream were cleared. */
  missing(stream: StreamKey, ids: readonly EntryId[]): void;
  takenOver(delivery: Delivery, from: string): void;
  /** What was scheduled for a stream came due: added to it, or given back to its group. */
  scheduled(stream: StreamKey, step: DueAdded): void;
  /** A stream that a pattern matches is read from now on. */
  joined(stream: StreamKey): void;
  notice(level: "detail" | "info" | "warn", message: string): void;
}

/** A worker at one moment. */
export interface WorkerState {
  /** Invocations that run. */
  readonly running: number;
  /** Entries delivered to this worker and not settled yet. */
  readonly inFlight: number;
  /** The outage guard lets only probes run. */
  readonly paused: boolean;
  /** On how many streams the group is paused. */
  readonly groupPaused: number | "everywhere";
  /** It takes entries, or would if its group were not paused: its loop has begun, is not ending, and Redis answers. */
  readonly reading: boolean;
  /** Why verdicts can't be delivered, although Redis answers; undefined: they can. */
  readonly verdictsWait?: string | undefined;
  /** How long the loop has been asking Redis without coming round; waiting for handlers does not count. */
  readonly turnMs: number;
}

export interface WorkerResult {
  readonly ok: number;
  readonly retried: number;
  /** Entries whose handler asked for them later. */
  readonly snoozed: number;
  readonly dead: number;
  readonly lost: number;
  readonly missing: number;
  /** Entries acked without a run because their key had succeeded before. */
  readonly duplicates: number;
  /** Entries acked without a run because they did not match. */
  readonly unmatched: number;
  /** Handlers that had to be killed because the worker could not wait for them. */
  readonly killed: number;
}
