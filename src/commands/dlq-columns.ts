import type { DeadLetter } from "../engine/dlq/letter.ts";
import { type Column, FieldList } from "../output/column.ts";
import { agoText } from "../output/format.ts";

/** A dead letter as a row, the same in every command that prints some. */
export function letterColumns(stream: string, key: string, nowMs: number): readonly Column<DeadLetter>[] {
  return [
    { key: "stream", title: "STREAM", value: (row) => row.stream ?? stream, optional: true },
    { key: "dlq", title: "QUEUE", value: () => key, onlyForPrograms: true },
    { key: "id", title: "ID", value: (row) => row.id },
    { key: "originalId", title: "ORIGINAL", value: (row) => row.originalId, optional: true },
    { key: "group", title: "GROUP", value: (row) => row.group },
    { key: "consumer", title: "CONSUMER", value: (row) => row.consumer, optional: true },
    { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries },
    { key: "reason", title: "REASON", value: (row) => row.reason },
    {
      key: "failedAt",
      title: "FAILED",
      value: (row) => row.failedAt?.toISOString() ?? null,
      text: (row) => agoText(row.failedAt, nowMs),
    },
    {
      key: "replays",
      title: "REPLAYS",
      align: "right",
      value: (row) => row.replays,
      tone: (row) => (row.replays > 0 ? "warning" : undefined),
      optional: true,
    },
    { key: "layout", title: "LAYOUT", value: (row) => row.layout, onlyForPrograms: true },
    { key: "fields", title: "FIELDS", value: (row) => new FieldList(row.fields) },
  ];
}
