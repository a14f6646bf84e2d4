import type { EntryId } from "../entry/id.ts";
import type { GroupName, StreamKey } from "../entry/names.ts";
import type { Column } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";

/** A pending entry as it was before something was done with it by hand. */
export interface HandledEntry {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly id: EntryId;
  readonly consumer: string;
  readonly idleMs: number | null;
  readonly deliveries: number;
}

export const HANDLED_COLUMNS: readonly Column<HandledEntry>[] = [
  ...OF_GROUP,
  { key: "id", title: "ID", value: (row) => row.id },
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  durationColumn("idleMs", "IDLE"),
  { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries },
];
