import type { DeadLetter } from "../../engine/dlq/letter.ts";
import { idMs } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { dateOf } from "../../lib/calendar.ts";
import { type Column, FieldList } from "../../output/column.ts";
import { agoText } from "../../output/format.ts";

/** A dead letter as a row, the same in every command that prints some. */
export function letterColumns(stream: StreamKey, key: string, nowMs: number): readonly Column<DeadLetter>[] {
  return [
    { key: "stream", title: "STREAM", value: (row) => row.stream ?? stream, optional: true },
    { key: "dlq", title: "QUEUE", value: () => key, onlyForPrograms: true },
    { key: "id", title: "ID", value: (row) => row.id, whole: true },
    { key: "originalId", title: "ORIGINAL", value: (row) => row.originalId, optional: true, whole: true },
    { key: "group", title: "GROUP", value: (row) => row.group },
    { key: "consumer", title: "CONSUMER", value: (row) => row.consumer, optional: true },
    { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries },
    { key: "reason", title: "REASON", value: (row) => row.reason, cut: "end" },
    {
      key: "failedAt",
      title: "FAILED",
      value: (row) => row.failedAt?.toISOString() ?? null,
      text: (row) => agoText(row.failedAt, nowMs),
      optional: "late",
    },
    {
      key: "replays",
      title: "REPLAYS",
      align: "right",
      value: (row) => row.replays,
      tone: (row) => (row.replays > 0 ? "warning" : undefined),
      optional: true,
    },
    {
      key: "deliveriesTotal",
      title: "TRIES IN ALL",
      value: (row) => row.deliveriesTotal,
      onlyForPrograms: true,
    },
    { key: "layout", title: "LAYOUT", value: (row) => row.layout, onlyForPrograms: true },
    {
      key: "fields",
      title: "FIELDS",
      value: (row) => new FieldList(row.fields),
      cut: "end",
      optional: "late",
    },
  ];
}

/** A dead letter with what the streams around it say. */
export interface LetterInFull {
  readonly letter: DeadLetter;
  /** Whether the original still stands in its stream; null when it is not known which it was. */
  readonly inStream: boolean | null;
}

/** Everything that is known about one letter: what every list says, and more. */
export function fullColumns(stream: StreamKey, key: string, nowMs: number): readonly Column<LetterInFull>[] {
  const listed = letterColumns(stream, key, nowMs).map(({ key, title, value }): Column<LetterInFull> => ({
    key,
    title,
    value: ({ letter }) => value(letter),
  }));
  const fields = listed.findIndex(({ key }) => key === "fields");
  return [...listed.slice(0, fields), ...MORE, ...listed.slice(fields)];
}

const MORE: readonly Column<LetterInFull>[] = [
  { key: "exit", title: "EXIT", value: ({ letter }) => letter.exit },
  { key: "stderr", title: "STDERR", value: ({ letter }) => letter.stderr },
  { key: "enteredAt", title: "ENTERED", value: ({ letter }) => idTime(letter.originalId) },
  { key: "deadLetteredAt", title: "DEAD-LETTERED", value: ({ letter }) => idTime(letter.id) },
  { key: "inStream", title: "IN STREAM", value: ({ inStream }) => inStream },
  { key: "doubt", title: "DOUBT", value: ({ letter }) => letter.doubt ?? null },
];

/** When an entry got its ID; null where no calendar reaches. */
function idTime(id: string | null): string | null {
  return id === null ? null : (dateOf(idMs(id))?.toISOString() ?? null);
}
