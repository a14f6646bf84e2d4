import type { Column } from "./column.ts";
import { durationText } from "./format.ts";

/** Where a row belongs. */
export const OF_GROUP: readonly Column<{ readonly stream: string; readonly group: string }>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream, optional: true },
  { key: "group", title: "GROUP", value: (row) => row.group, optional: true },
];

/** A duration in ms, or null for an unknown one. */
export function durationColumn<Key extends string>(
  key: Key,
  title: string,
): Column<{ readonly [K in Key]: number | null }> {
  return {
    key,
    title,
    align: "right",
    value: (row) => row[key],
    text: (row) => durationText(row[key]),
  };
}
