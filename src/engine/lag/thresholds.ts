import type { GroupLag } from "./lag.ts";

/** What a group may reach and not pass. */
export interface Thresholds {
  readonly maxLag?: number | undefined;
  readonly maxPending?: number | undefined;
  readonly maxAgeMs?: number | undefined;
}

/** One threshold that a group has passed. */
export interface Crossing {
  readonly what: "lag" | "pending" | "oldest pending" | "oldest undelivered";
  readonly value: number;
  readonly limit: number;
  /** The value is a lower bound. */
  readonly atLeast: boolean;
}

/** The thresholds that a group has passed. What is not known has not passed. */
export function crossings(row: GroupLag, { maxLag, maxPending, maxAgeMs }: Thresholds): readonly Crossing[] {
  if (maxLag === undefined && maxPending === undefined && maxAgeMs === undefined) return NONE;
  const lag = row.lag ?? row.lagAtLeast;
  const atLeast = row.lag === null;
  const candidates = [
    { what: "lag", value: lag, limit: maxLag, atLeast },
    { what: "pending", value: row.pending, limit: maxPending, atLeast: false },
    { what: "oldest pending", value: row.oldestPendingMs, limit: maxAgeMs, atLeast: false },
    { what: "oldest undelivered", value: row.oldestUndeliveredMs, limit: maxAgeMs, atLeast: false },
  ] as const;
  return candidates.flatMap(({ what, value, limit, atLeast }) =>
    value !== null && limit !== undefined && value > limit ? [{ what, value, limit, atLeast }] : [],
  );
}

const NONE: readonly Crossing[] = [];
