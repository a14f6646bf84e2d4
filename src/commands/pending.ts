import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { PendingEntry } from "../engine/pending/list.ts";
import type { ConsumerPending } from "../engine/pending/summary.ts";
import { UsageError } from "../errors.ts";
import { type Column, FieldList } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import { cellText, durationText, NONE } from "../output/format.ts";
import type { Act } from "../program.ts";
import { countOption, durationOption, requiredGroupOption } from "./options.ts";

interface PendingFlags {
  readonly group?: string;
  readonly list?: boolean;
  readonly payload?: boolean;
  readonly consumer?: string;
  readonly minIdle?: number;
  readonly minDeliveries?: number;
  readonly limit?: number;
}

export function definePending(program: Command, act: Act): void {
  const command = program
    .command("pending")
    .description("show what a group has been given and has not acked")
    .argument("<stream>", "the stream")
    .addOption(requiredGroupOption())
    .addOption(new Option("--list", "one row per entry instead of one per consumer"));
  for (const option of pendingFilterOptions()) command.addOption(option);
  command
    .addOption(new Option("--payload", "with --list: the entries' fields, too"))
    .action(act(pending))
    .addHelpText("after", HELP);
}

/** The filters of every command that takes pending entries; they have the names of PendingFilter. */
export function pendingFilterOptions(): Option[] {
  return [
    durationOption("--min-idle <duration>", "only entries not delivered or claimed for this long"),
    new Option("--consumer <consumer>", "only what is pending for this consumer"),
    countOption("--min-deliveries <n>", "only entries delivered at least so often"),
    countOption("--limit <n>", "no more rows than this"),
  ];
}

const HELP = `
AGE counts from the entry's ID, IDLE from when it was last delivered or claimed. waiting (null): its idle time was
set and did not pass: it waits for its retry, or was handed back or replayed and may be taken at once.
--min-idle goes by what the server says in any case.

Without --list the filters choose what is counted. With it, an entry whose data was deleted or trimmed from the stream has missing: true.

Examples:
  streamctl pending orders -g billing
  streamctl pending orders -g billing --list --min-idle 5m --payload`;

async function pending(
  context: Context,
  [stream = ""]: string[],
  options: Record<string, unknown>,
): Promise<void> {
  const flags = options as PendingFlags;
  const { group, consumer } = flags;
  if (group === undefined) throw new UsageError("whose pending entries? Give the group with -g GROUP");
  if (flags.payload && !flags.list) throw new UsageError("--payload goes with --list");
  const connection = await context.connect();
  const [{ onStream, requireConsumer }, { groupPending }, { printRows }, { createProgress }] =
    await Promise.all([
      import("../engine/groups/missing.ts"),
      import("../engine/pending/pages.ts"),
      import("../output/rows.ts"),
      import("../output/progress.ts"),
    ]);
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
    signal: context.stop,
    onProgress: (seen: number) => progress.update(seen, consumer === undefined ? total : undefined),
  };
  const empty = { empty: nothingPending(stream, group, total, consumer) };
  let printed: number;
  if (flags.list) {
    const { listPending } = await import("../engine/pending/list.ts");
    const request = { ...list, ...common, limit: flags.limit, payload: flags.payload === true };
    const columns = flags.payload ? [...ENTRY_COLUMNS, FIELDS] : ENTRY_COLUMNS;
    printed = await printRows(context, columns, listPending(connection, request), empty);
  } else {
    const { pendingSummary } = await import("../engine/pending/summary.ts");
    const rows = await pendingSummary(connection, list, common);
    progress.stop();
    printed = await printRows(context, CONSUMER_COLUMNS, rows.slice(0, flags.limit), empty);
  }
  if (printed === 0 && consumer !== undefined) await requireConsumer(connection, stream, group, consumer);
}

/** Said where no entry is found: that none is pending, or that none of those that are was meant. */
export function nothingPending(stream: string, group: string, total: number, consumer?: string): string {
  if (total === 0) return `nothing is pending on ${stream} for ${group}`;
  const of = consumer === undefined ? "fits" : `is ${consumer}'s and fits`;
  return `none of ${total} pending on ${stream} for ${group} ${of}`;
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

const FIELDS: Column<PendingEntry> = {
  key: "fields",
  title: "FIELDS",
  value: (row) => (row.fields === undefined ? null : new FieldList(row.fields)),
  text: (row) => (row.fields === undefined ? NONE : cellText(new FieldList(row.fields))),
  cut: "end",
};
