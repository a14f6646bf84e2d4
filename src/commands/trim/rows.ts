import type { Loss } from "../../engine/trim/preview.ts";
import { shellWord } from "../../engine/groups/missing.ts";
import type { Hold } from "../../engine/trim/trim.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { StalePending } from "../../redis/ops/trim.ts";
import { type EntryId, idMs } from "../../entry/id.ts";
import type { Column } from "../../output/column.ts";
import { agoText, durationText } from "../../output/format.ts";
import { formatCount } from "../../units.ts";

/** What came of one stream; `wouldRemove` is set in a dry run only. */
export interface TrimRow {
  readonly stream: StreamKey;
  readonly removed: number;
  readonly length: number;
  /** The first ID that was asked to be kept. */
  readonly cut: EntryId;
  readonly hold: Hold | undefined;
  readonly wouldRemove: number | null;
}

export const TRIM_COLUMNS: readonly Column<TrimRow>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "removed", title: "REMOVED", align: "right", value: (row) => row.removed },
  { key: "length", title: "LEFT", align: "right", value: (row) => row.length },
  {
    key: "boundId",
    title: "KEPT FROM",
    value: (row) => row.hold?.id ?? row.cut,
    whole: true,
    optional: true,
  },
  {
    key: "heldBy",
    title: "HELD BY",
    value: (row) => row.hold?.group ?? null,
    tone: (row) => (row.hold ? "warning" : undefined),
  },
  { key: "wouldRemove", title: "WOULD GO", align: "right", value: (row) => row.wouldRemove },
];

/** Who holds a stream's entries, and since when. */
export function holdText(stream: StreamKey, hold: Hold): string {
  const { id, group } = hold;
  return `${stream}: kept from ${id} on (${agoText(new Date(idMs(id)), Date.now())}): group ${group} ${whyText(hold)}`;
}

function whyText({ why, pending }: Hold): string {
  if (why === "undelivered") return "has not been given it";
  if (why === "unknown") return "has too many pending entries without data to look further";
  if (!pending) return "has not acked it";
  const idle = pending.idleMs === null ? "" : `, idle for ${durationText(pending.idleMs)}`;
  return `has not acked it: pending for ${pending.consumer}${idle}`;
}

/** Pending entries that hold nothing: where they begin, and what clears them. */
export function staleText(stream: StreamKey, { group, oldestId }: StalePending): string {
  const claim = `streamctl claim ${shellWord(stream)} -g ${shellWord(group)} --all --drop-missing`;
  return `${stream}: group ${group} has pending entries whose data is gone, from ${oldestId} on: ${claim} clears them`;
}

export function lossText(stream: StreamKey, { group, undelivered, pending }: Loss): string {
  return `${stream}: group ${group} would lose ${formatCount(undelivered, "entry", "entries")} it has not been given and ${pending} it has not acked`;
}

/** Of a trim that found something to remove, and removed nothing. */
export function nothingText(stream: StreamKey): string {
  return `${stream}: nothing was removed: what may go does not fill a node (about 100 entries); --exact removes it`;
}

/** Of a dry run: only the server knows where its nodes end. */
export function wholeNodesText(stream: StreamKey, most: number): string {
  return `${stream}: at most ${most} would go, perhaps none: without --exact only whole nodes do (about 100 entries)`;
}
