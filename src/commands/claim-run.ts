import type { Context } from "../context.ts";
import { type ClaimedEntry, claimPending, type ClaimRequest, type Tried } from "../engine/claim/claim.ts";
import { onStream, requireConsumer } from "../engine/groups/missing.ts";
import { groupPending } from "../engine/pending/pages.ts";
import { entryFilter } from "../engine/where.ts";
import type { GroupName, StreamKey } from "../entry/names.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import { durationText } from "../output/format.ts";
import { createProgress } from "../output/progress.ts";
import { printRows } from "../output/rows.ts";
import { formatCount } from "../units.ts";
import type { ClaimState } from "../redis/ops/claim.ts";
import type { ClaimFlags } from "./claim.ts";
import { checkIds, givenIds, ofGroup, Rejects } from "./id-arguments.ts";
import { nothingPending } from "./nothing-pending.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: ClaimFlags,
): Promise<number | undefined> {
  checkFlags(flags, ids);
  const { group } = flags;
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const total = await onStream(connection, stream, group, () => groupPending(connection, { stream, group }));
  if (!flags.dryRun && total > 0) await ask(context, stream, group, flags, total);
  const label = flags.dryRun ? "looking through" : "claiming from";
  const progress = createProgress(context.log, { label: `${label} ${stream}`, unit: "entries" });
  context.defer(() => progress.stop());
  const rejects = new Rejects(context);
  const tally = new Map<ClaimState, number>();
  const filtered = (flags.fromConsumer ?? flags.consumer) !== undefined;
  const request: ClaimRequest = {
    ...ruleOf(flags),
    where: flags.where && entryFilter(flags.where),
    stream,
    group,
    ids: flags.all ? undefined : givenIds(context, ids, rejects, ofGroup(stream, group)),
    limit: flags.limit,
    signal: context.stop,
    onProgress: (seen) => progress.update(seen, filtered ? undefined : total),
    onState: (entry) => {
      tally.set(entry.state, (tally.get(entry.state) ?? 0) + 1);
      const why = flags.all ? undefined : refusal(entry, flags);
      if (why !== undefined) rejects.add(`${entry.id} ${why}`);
    },
  };
  const count = (state: ClaimState): number => tally.get(state) ?? 0;
  let whole = false;
  try {
    const empty = flags.all ? nothingPending(stream, group, total, request.from) : "nothing to claim";
    await printRows(context, COLUMNS, claimPending(connection, request), { empty });
    whole = true;
  } finally {
    progress.stop();
    rejects.finish();
    // What has moved is told also when the run fails half-way; what would have is then not known.
    if (tally.size > 0 && (whole || !flags.dryRun)) summarize(context, flags, count);
  }
  if (context.stop.aborted) return undefined;
  if (flags.all) return requireConsumers(context, stream, group, flags, tally.size);
  if (rejects.count === 0) return ExitCode.ok;
  return count("claimed") + count("dropped") + count("already") > 0 ? ExitCode.partial : ExitCode.notFound;
}

/** Fails with exit 2 when the flags don't say what to do. */
function checkFlags(flags: ClaimFlags, ids: readonly string[]): void {
  const { to, all, consumer, fromConsumer } = flags;
  if (to === undefined && !flags.dropMissing)
    throw new UsageError("who gets the entries? Give the consumer with --to CONSUMER");
  if (to === "") throw new UsageError("--to needs a name");
  if (!all && ids.length === 0)
    throw new UsageError("which entries? Give their IDs, - to read them from stdin, or --all");
  if (consumer !== undefined && fromConsumer !== undefined && consumer !== fromConsumer)
    throw new UsageError("--consumer and --from-consumer mean the same: give one");
  if (flags.where !== undefined && flags.dropMissing)
    throw new UsageError(
      "--where looks at fields, and what --drop-missing clears has none: give one of them",
    );
  checkIds(ids);
}

function ruleOf(flags: ClaimFlags): Omit<ClaimRequest, "stream" | "group" | "ids" | "signal" | "onState"> {
  return {
    to: flags.to,
    from: flags.fromConsumer ?? flags.consumer,
    countDelivery: flags.countDelivery,
    dropMissing: flags.dropMissing,
    dryRun: flags.dryRun,
    minIdleMs: flags.minIdle ?? 0,
    minDeliveries: flags.minDeliveries ?? 0,
  };
}

/** Moving loses nothing, so it asks only where somebody sits; clearing can't be undone. */
async function ask(
  context: Context,
  stream: StreamKey,
  group: GroupName,
  { to, all, dropMissing }: ClaimFlags,
  total: number,
): Promise<void> {
  const of = `of ${total} pending in ${group} on ${stream}`;
  if (dropMissing) {
    const move = to === undefined ? "" : `, and give the others that match to ${to}`;
    await context.confirm(`Ack the matching entries ${of} whose data is gone${move}?`);
  } else if (all && context.atTerminal) await context.confirm(`Give the matching entries ${of} to ${to}?`);
}

/** Why an ID that was named did not move; undefined when it is where it should be. */
function refusal({ state, owner, idleMs, deliveries }: Tried, flags: ClaimFlags): string | undefined {
  switch (state) {
    case "notPending":
      return "is not pending";
    case "unmatched":
      return `does not match: pending for ${owner}, idle for ${durationText(idleMs)}, ${formatCount(deliveries, "delivery", "deliveries")}`;
    case "missing":
      return "has no data any more: --drop-missing acks it";
    case "left":
      return "still has its data";
    case "already":
      return flags.countDelivery ? `is pending for ${owner} already: no delivery was counted` : undefined;
    case "claimed":
    case "dropped":
      return undefined;
    default:
      return state satisfies never;
  }
}

function summarize(context: Context, flags: ClaimFlags, count: (state: ClaimState) => number): void {
  const would = flags.dryRun ? "would " : "";
  const parts: string[] = [];
  if (flags.to !== undefined)
    parts.push(`${would}${flags.dryRun ? "give" : "gave"} ${count("claimed")} to ${flags.to}`);
  if (flags.dropMissing)
    parts.push(`${would}${flags.dryRun ? "ack" : "acked"} ${count("dropped")} without data`);
  if (!flags.all && count("already") > 0) parts.push(`${count("already")} were there already`);
  context.log.info(parts.join(", "));
  if (flags.all && count("missing") > 0)
    context.log.warn(
      `${formatCount(count("missing"), "entry has", "entries have")} no data any more and did not move: --drop-missing clears that`,
    );
}

/** When nothing was found, a consumer that the group does not know is the likely reason: exit 4. */
async function requireConsumers(
  context: Context,
  stream: StreamKey,
  group: GroupName,
  flags: ClaimFlags,
  tried: number,
): Promise<undefined> {
  const from = flags.fromConsumer ?? flags.consumer;
  if (tried > 0 || from === undefined) return;
  await requireConsumer(await context.connect(), stream, group, from);
}

const COLUMNS: readonly Column<ClaimedEntry>[] = [
  ...OF_GROUP,
  { key: "id", title: "ID", value: (row) => row.id, whole: true },
  { key: "from", title: "FROM", value: (row) => row.from },
  {
    key: "to",
    title: "TO",
    value: (row) => row.to,
    text: (row) => row.to ?? "acked: no data",
    tone: (row) => (row.to === null ? "warning" : undefined),
  },
  durationColumn("idleMs", "IDLE"),
  { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries, optional: "late" },
];
