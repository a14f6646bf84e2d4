import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { ClaimedEntry, ClaimRequest, Tried } from "../engine/claim/claim.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import { durationText } from "../output/format.ts";
import type { Act } from "../program.ts";
import { formatCount } from "../units.ts";
import type { ClaimState } from "../redis/ops/claim.ts";
import { checkIds, givenIds, Rejects } from "./id-arguments.ts";
import { requiredGroupOption } from "./options.ts";
import { nothingPending, pendingFilterOptions } from "./pending.ts";

interface ClaimFlags {
  readonly group?: string;
  readonly to?: string;
  readonly all?: boolean;
  readonly minIdle?: number;
  readonly consumer?: string;
  readonly fromConsumer?: string;
  readonly minDeliveries?: number;
  readonly limit?: number;
  readonly countDelivery?: boolean;
  readonly dropMissing?: boolean;
  readonly dryRun?: boolean;
}

export function defineClaim(program: Command, act: Act): void {
  const command = program
    .command("claim")
    .description("give pending entries to another consumer")
    .argument("<stream>", "the stream")
    .argument("[id...]", "the entries; - reads IDs, or rows of other commands, from stdin")
    .addOption(requiredGroupOption())
    .addOption(new Option("--to <consumer>", "the consumer that gets them"))
    .addOption(new Option("--all", "every pending entry that the filters let through"));
  for (const option of pendingFilterOptions()) command.addOption(option);
  command
    .addOption(new Option("--from-consumer <consumer>", "the same as --consumer"))
    .addOption(new Option("--count-delivery", "count this as a delivery"))
    .addOption(new Option("--drop-missing", "ack entries whose data is gone from the stream"))
    .addOption(new Option("--dry-run", "only show what would move"))
    .action(act(claim))
    .addHelpText("after", HELP);
}

const HELP = `
An entry moves only if it is still pending and still matches at that moment; its idle time starts anew. A
running worker of that name runs it as soon as it has a place free; one with --consumer or --order-by, once it
has been idle for its --claim-idle. Entries whose data is gone can't move; --drop-missing, also without --to,
clears them and asks first (-y to say yes). Exit 4: none of the IDs was pending; 5: some were not.

Examples:
  streamctl claim orders -g billing 1694012345678-0 --to worker-2
  streamctl claim orders -g billing --all --from-consumer worker-1 --min-idle 5m --to worker-2 --dry-run
  streamctl claim orders -g billing --all --drop-missing -y`;

async function claim(
  context: Context,
  [stream = "", ...ids]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as ClaimFlags;
  const group = checkFlags(flags, ids);
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const [{ claimPending }, { onStream }, { groupPending }, { printRows }, { createProgress }] =
    await Promise.all([
      import("../engine/claim/claim.ts"),
      import("../engine/groups/missing.ts"),
      import("../engine/pending/pages.ts"),
      import("../output/rows.ts"),
      import("../output/progress.ts"),
    ]);
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
    stream,
    group,
    ids: flags.all ? undefined : givenIds(context, ids, rejects),
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

/** The group. Fails with exit 2 when the flags don't say what to do. */
function checkFlags(flags: ClaimFlags, ids: readonly string[]): string {
  const { group, to, all, consumer, fromConsumer } = flags;
  if (group === undefined) throw new UsageError("whose pending entries? Give the group with -g GROUP");
  if (to === undefined && !flags.dropMissing)
    throw new UsageError("who gets the entries? Give the consumer with --to CONSUMER");
  if (to === "") throw new UsageError("--to needs a name");
  if (to === undefined && flags.countDelivery) throw new UsageError("--count-delivery goes with --to");
  if (all && ids.length > 0) throw new UsageError("give either IDs or --all");
  if (!all && ids.length === 0)
    throw new UsageError("which entries? Give their IDs, - to read them from stdin, or --all");
  if (!all && flags.limit !== undefined) throw new UsageError("--limit goes with --all");
  if (consumer !== undefined && fromConsumer !== undefined && consumer !== fromConsumer)
    throw new UsageError("--consumer and --from-consumer mean the same: give one");
  checkIds(ids);
  return group;
}

function ruleOf(flags: ClaimFlags): Omit<ClaimRequest, "stream" | "group" | "ids" | "signal" | "onState"> {
  return {
    to: flags.to,
    from: flags.fromConsumer ?? flags.consumer,
    countDelivery: flags.countDelivery === true,
    dropMissing: flags.dropMissing === true,
    dryRun: flags.dryRun === true,
    minIdleMs: flags.minIdle ?? 0,
    minDeliveries: flags.minDeliveries ?? 0,
  };
}

/** Moving loses nothing, so it asks only where somebody sits; clearing can't be undone. */
async function ask(
  context: Context,
  stream: string,
  group: string,
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
  stream: string,
  group: string,
  flags: ClaimFlags,
  tried: number,
): Promise<undefined> {
  const from = flags.fromConsumer ?? flags.consumer;
  if (tried > 0 || from === undefined) return;
  const { requireConsumer } = await import("../engine/groups/missing.ts");
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
