import type { Context } from "../context.ts";
import { onStream, requireConsumer } from "../engine/groups/missing.ts";
import { listPending, type PendingEntry } from "../engine/pending/list.ts";
import { groupPending } from "../engine/pending/pages.ts";
import { retryDelays, takeAfterMs } from "../engine/worker/retries.ts";
import { type ConsumerPending, pendingSummary } from "../engine/pending/summary.ts";
import { entryFilter } from "../engine/where.ts";
import type { StreamKey } from "../entry/names.ts";
import { type Column, FieldList } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import { cellText, durationText, NONE } from "../output/format.ts";
import { createProgress } from "../output/progress.ts";
import { printRows } from "../output/rows.ts";
import { nothingPending } from "./nothing-pending.ts";
import type { PendingFlags } from "./pending.ts";

export async function run(
  context: Context,
  [stream]: readonly [StreamKey],
  flags: PendingFlags,
): Promise<void> {
  const { group, consumer } = flags;
  const connection = await context.connect();
  const total = await onStream(connection, stream, group, () => groupPending(connection, { stream, group }));
  const progress = createProgress(context.log, {
    label: `reading what is pending on ${stream}`,
    unit: "entries",
  });
  context.defer(() => progress.stop());
  const list = { stream, group, consumer };
  const common = {
    minIdleMs: flags.minIdle,
    minDeliveries: flags.minDeliveries,
    where: flags.where && entryFilter(flags.where),
    signal: context.stop,
    onProgress: (seen: number) => progress.update(seen, consumer === undefined ? total : undefined),
  };
  const empty = { empty: nothingPending(stream, group, total, consumer) };
  let printed: number;
  if (flags.list) {
    const { claimIdle, retryDelay, retryMaxDelay } = flags;
    const takenAfter =
      claimIdle === undefined
        ? undefined
        : (deliveries: number) => takeAfterMs(deliveries, claimIdle, retryDelays(retryDelay, retryMaxDelay));
    const request = { ...list, ...common, limit: flags.limit, payload: flags.payload, takenAfter };
    const columns = [...ENTRY_COLUMNS, ...(takenAfter ? [DUE] : []), ...(flags.payload ? [FIELDS] : [])];
    printed = await printRows(context, columns, listPending(connection, request), empty);
  } else {
    const rows = await pendingSummary(connection, list, common);
    progress.stop();
    printed = await printRows(context, CONSUMER_COLUMNS, rows.slice(0, flags.limit), empty);
  }
  if (printed === 0 && consumer !== undefined) await requireConsumer(connection, stream, group, consumer);
}

/** How long something has been idle; a time that was set instead of passing says only that it waits. */
function idleColumn<Key extends string>(
  key: Key,
  title: string,
): Column<{ readonly [K in Key]: number | null }> {
  return {
    ...durationColumn(key, title),
    text: (row) => (row[key] === null ? "waiting" : durationText(row[key])),
  };
}

const CONSUMER_COLUMNS: readonly Column<ConsumerPending>[] = [
  ...OF_GROUP,
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  { key: "pending", title: "PENDING", align: "right", value: (row) => row.pending },
  { key: "minId", title: "OLDEST", value: (row) => row.minId, whole: true, optional: true },
  { key: "maxId", title: "NEWEST", value: (row) => row.maxId, whole: true, optional: true },
  idleColumn("maxIdleMs", "IDLE UP TO"),
];

const ENTRY_COLUMNS: readonly Column<PendingEntry>[] = [
  ...OF_GROUP,
  { key: "id", title: "ID", value: (row) => row.id, whole: true },
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  idleColumn("idleMs", "IDLE"),
  {
    key: "deliveries",
    title: "TRIES",
    align: "right",
    value: (row) => row.deliveries,
    tone: (row) => (row.deliveries > 1 ? "warning" : undefined),
    optional: "late",
  },
  {
    key: "missing",
    title: "DATA",
    value: (row) => row.missing,
    text: (row) => (row.missing ? "missing" : "there"),
    tone: (row) => (row.missing ? "bad" : undefined),
  },
  durationColumn("ageMs", "AGE"),
];

const DUE: Column<PendingEntry> = {
  key: "dueInMs",
  title: "DUE",
  align: "right",
  value: (row) => row.dueInMs ?? null,
  text: (row) => (row.dueInMs === 0 ? "now" : `in ${durationText(row.dueInMs ?? null)}`),
};

const FIELDS: Column<PendingEntry> = {
  key: "fields",
  title: "FIELDS",
  value: (row) => (row.fields === undefined ? null : new FieldList(row.fields)),
  text: (row) => (row.fields === undefined ? NONE : cellText(new FieldList(row.fields))),
  cut: "end",
};
