import type { PendingRow } from "../../redis/ops/pending.ts";

/** Which pending entries; the same choice in every command that takes pending entries by filters. */
export interface PendingFilter {
  readonly minIdleMs?: number | undefined;
  readonly minDeliveries?: number | undefined;
}

/** True when the filter lets a pending entry through. */
export function isChosen(row: PendingRow, { minIdleMs = 0, minDeliveries = 0 }: PendingFilter): boolean {
  return row.idleMs >= minIdleMs && row.deliveries >= minDeliveries;
}
