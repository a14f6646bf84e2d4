import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";

/**
 * How a dead letter keeps the original. `native`: written by streamctl. `copied`: the original's fields and
 * nothing else. `wrapped`: `original_id`, `payload` (the original as JSON), `reason` and `failed_at`.
 */
export type Layout = "native" | "copied" | "wrapped";

export const LAYOUTS = ["auto", "native", "copied", "wrapped"] as const;
export type LayoutChoice = (typeof LAYOUTS)[number];

/** A dead letter taken apart: the original's fields as they were, and the facts, null where not known. */
export interface DeadLetter {
  /** Its ID in the dead-letter queue. */
  readonly id: EntryId;
  /** The record itself, as it stands in the queue. */
  readonly entry: Entry;
  readonly layout: Layout;
  /** Why it may be something else than `layout` says, as the rest of a sentence; undefined when it is not in doubt. */
  readonly doubt: string | undefined;
  readonly fields: readonly Buffer[];
  readonly stream: StreamKey | null;
  readonly originalId: EntryId | null;
  readonly group: GroupName | null;
  readonly consumer: string | null;
  readonly deliveries: number | null;
  readonly reason: string | null;
  readonly exit: string | null;
  readonly stderr: Buffer | null;
  readonly failedAt: Date | null;
  readonly replays: number;
  /** How often it was delivered before and after its replays. */
  readonly deliveriesTotal: number | null;
}
