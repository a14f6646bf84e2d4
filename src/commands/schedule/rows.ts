import { momentMs } from "../../engine/schedule/moment.ts";
import type { ScheduleFilter } from "../../engine/schedule/list.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { TOKEN_PREFIX } from "../../redis/ops/schedule-keys.ts";
import type { Scheduled } from "../../redis/ops/schedule-page.ts";
import { type Column, FieldList } from "../../output/column.ts";
import { durationText } from "../../output/format.ts";
import type { ScheduleFilterFlags } from "./schedule-flags.ts";

/** What the flags of a command line choose. */
export async function filterOf(connection: Connection, flags: ScheduleFilterFlags): Promise<ScheduleFilter> {
  const until = flags.overdue ? ({ kind: "fromNow", ms: 0 } as const) : flags.until;
  return {
    fromMs: await momentMs(connection, flags.since),
    toMs: await momentMs(connection, until),
    group: flags.group,
    where: flags.where,
    limit: flags.limit,
  };
}

/** The same columns in every command that prints what is scheduled. `nowMs`: by the server's clock. */
export function scheduleColumns(stream: StreamKey, nowMs: number): readonly Column<Scheduled>[] {
  const inMs = ({ dueMs }: Scheduled): number | null => (dueMs === null ? null : dueMs - nowMs);
  return [
    { key: "stream", title: "STREAM", value: () => stream, optional: true },
    { key: "id", title: "ID", value: ({ token }) => TOKEN_PREFIX + token, whole: true },
    {
      key: "dueAt",
      title: "DUE",
      value: ({ dueMs }) => timeText(dueMs),
      text: (row) => dueText(inMs(row)),
      tone: (row) => ((inMs(row) ?? -1) <= -OVERDUE_MS ? "bad" : undefined),
    },
    { key: "dueInMs", title: "DUE IN", value: inMs, onlyForPrograms: true },
    {
      key: "group",
      title: "GROUP",
      value: ({ record }) => (record.kind === "putOff" ? record.group : null),
      optional: true,
    },
    {
      key: "originalId",
      title: "ORIGINAL",
      value: ({ record }) => (record.kind === "putOff" ? record.id : null),
      optional: true,
      whole: true,
    },
    {
      key: "reason",
      title: "REASON",
      value: ({ record }) => (record.kind === "putOff" ? record.reason : null),
      cut: "end",
      optional: true,
    },
    {
      key: "fields",
      title: "FIELDS",
      value: ({ record }) => (record.kind === "entry" ? new FieldList(record.fields) : null),
      cut: "end",
      optional: "late",
    },
  ];
}

/** So late no worker lives. */
const OVERDUE_MS = 1_000;

function dueText(inMs: number | null): string {
  if (inMs === null) return "unreadable";
  return inMs > 0 ? `in ${durationText(inMs)}` : `${durationText(-inMs)} ago`;
}

/** Null where no calendar reaches. */
function timeText(ms: number | null): string | null {
  const at = new Date(ms ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** Said where nothing is found. */
export function noneScheduled(stream: StreamKey, length: number): string {
  return length === 0
    ? `nothing is scheduled for ${stream}`
    : `nothing of ${length} scheduled for ${stream} fits`;
}
