import type { GroupName, StreamKey } from "../../entry/names.ts";
/**
 * How bad it is. `error`: entries are lost or stuck, or are about to be. `warning`: it will hurt or
 * surprises. `info`: good to know, and what could not be looked at.
 */
export type Severity = "error" | "warning" | "info";

/** One thing that the doctor has to say. */
export interface Finding {
  readonly severity: Severity;
  /** What was looked at: a name that stays the same, for scripts. */
  readonly check: Check;
  readonly stream: StreamKey | null;
  readonly group: GroupName | null;
  readonly consumer: string | null;
  readonly evidence: string;
  /** What to do about it; null when there is nothing to do. */
  readonly fix: string | null;
}

export type Check =
  | "server"
  | "persistence"
  | "eviction"
  | "memory"
  | "clients"
  | "replication"
  | "cluster"
  | "rights"
  | "expiry"
  | "future-id"
  | "never-trimmed"
  | "dead-letters"
  | "schedule-overdue"
  | "dead-consumer"
  | "empty-consumers"
  | "missing-data"
  | "redelivered"
  | "unread-group"
  | "paused-group"
  | "shared-consumer"
  | "unseen";

/** Where a finding belongs; nothing: to the server. */
export type Place = Partial<Pick<Finding, "stream" | "group" | "consumer">>;

export interface GroupPlace {
  readonly stream: StreamKey;
  readonly group: GroupName;
}

export function finding(
  severity: Severity,
  check: Check,
  evidence: string,
  fix: string | null,
  { stream = null, group = null, consumer = null }: Place = {},
): Finding {
  return { severity, check, stream, group, consumer, evidence, fix };
}

/** What the user may not see is said, and is no error. */
export function unseen(what: string, why: string, place?: Place): Finding {
  return finding("info", "unseen", `can't look at ${what}: ${why}`, null, place);
}
