import type { Context } from "../context.ts";
import { onStream, requireConsumer } from "../engine/groups/missing.ts";
import { groupPending } from "../engine/pending/pages.ts";
import { releasePending, type ReleaseRequest } from "../engine/release/release.ts";
import { entryFilter } from "../engine/where.ts";
import type { StreamKey } from "../entry/names.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { durationText } from "../output/format.ts";
import { createProgress } from "../output/progress.ts";
import { printRows } from "../output/rows.ts";
import type { ByHand } from "../redis/ops/by-hand.ts";
import type { ReleaseState } from "../redis/ops/release.ts";
import { formatCount } from "../units.ts";
import { HANDLED_COLUMNS } from "./handled-columns.ts";
import { checkIds, givenIds, ofGroup, Rejects } from "./id-arguments.ts";
import { nothingPending } from "./nothing-pending.ts";
import type { ReleaseFlags } from "./release.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: ReleaseFlags,
): Promise<number | undefined> {
  const { group, all, dryRun, consumer: from } = flags;
  if (!all && ids.length === 0)
    throw new UsageError("which entries? Give their IDs, - to read them from stdin, or --all");
  checkIds(ids);
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const total = await onStream(connection, stream, group, () => groupPending(connection, { stream, group }));
  if (all && !dryRun && total > 0 && context.atTerminal)
    await context.confirm(
      `Let workers take the matching entries of ${total} pending in ${group} on ${stream} at once?`,
    );
  const label = dryRun ? "looking through" : "releasing from";
  const progress = createProgress(context.log, { label: `${label} ${stream}`, unit: "entries" });
  context.defer(() => progress.stop());
  const rejects = new Rejects(context);
  const tally = new Map<ReleaseState, number>();
  const request: ReleaseRequest = {
    stream,
    group,
    from,
    dryRun,
    minIdleMs: flags.minIdle ?? 0,
    minDeliveries: flags.minDeliveries ?? 0,
    where: flags.where && entryFilter(flags.where),
    ids: all ? undefined : givenIds(context, ids, rejects, ofGroup(stream, group)),
    limit: flags.limit,
    signal: context.stop,
    onProgress: (seen) => progress.update(seen, from === undefined ? total : undefined),
    onState: (entry) => {
      tally.set(entry.state, (tally.get(entry.state) ?? 0) + 1);
      const why = all ? undefined : refusal(entry);
      if (why !== undefined) rejects.add(`${entry.id} ${why}`);
    },
  };
  const count = (state: ReleaseState): number => tally.get(state) ?? 0;
  try {
    const empty = all ? nothingPending(stream, group, total, from) : "nothing to release";
    await printRows(context, HANDLED_COLUMNS, releasePending(connection, request), { empty });
  } finally {
    progress.stop();
    rejects.finish();
    if (count("released") > 0)
      context.log.info(`${dryRun ? "would release" : "released"} ${count("released")}`);
    if (all && count("running") > 0)
      context.log.warn(
        `${formatCount(count("running"), "entry", "entries")} may be running and ${count("running") === 1 ? "was" : "were"} left alone: claim moves ${count("running") === 1 ? "it" : "them"}`,
      );
  }
  if (context.stop.aborted) return undefined;
  if (all) {
    if (tally.size === 0 && from !== undefined) await requireConsumer(connection, stream, group, from);
    return undefined;
  }
  if (rejects.count === 0) return ExitCode.ok;
  return count("released") > 0 ? ExitCode.partial : ExitCode.notFound;
}

/** Why an ID that was named was not released; undefined when it was. */
function refusal({ state, owner, idleMs }: ByHand<ReleaseState>): string | undefined {
  switch (state) {
    case "released":
      return undefined;
    case "notPending":
      return "is not pending";
    case "unmatched":
      return `does not match: pending for ${owner}`;
    case "missing":
      return "has no data any more: claim --drop-missing acks it";
    case "running":
      return `may be running: ${owner} has it, heard of ${durationText(idleMs)} ago; claim moves it`;
    default:
      return state satisfies never;
  }
}
