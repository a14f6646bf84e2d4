import type { PendingRow } from "../../redis/ops/pending.ts";
import type { EntryFilter } from "../where.ts";

/** Which pending entries; the same choice in every command that takes pending entries by filters. */
export interface PendingFilter {
  readonly minIdleMs?: number | undefined;
  readonly minDeliveries?: number | undefined;
  /** About the entry's fields: for this its data is looked up, and what has none is left out. */
  readonly where?: EntryFilter | undefined;
}

/** True when the filter lets a pending entry through by what the pending list says of it. */
export function isChosen(row: PendingRow, { minIdleMs = 0, minDeliveries = 0 }: PendingFilter): boolean {
  return row.idleMs >= minIdleMs && row.deliveries >= minDeliveries;
}
