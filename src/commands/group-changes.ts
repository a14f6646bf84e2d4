import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { CreatedGroup } from "../engine/groups/create.ts";
import type { PositionChange } from "../engine/groups/position.ts";
import type { GroupLag } from "../engine/lag/lag.ts";
import { UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { LAG_COLUMNS } from "../output/lag-columns.ts";
import { required } from "../help/required.ts";
import type { Act } from "../program.ts";
import { formatCount, formatNumber } from "../units.ts";
import { groupStartOption } from "./entry-options.ts";

export function defineGroupChanges(group: Command, act: Act): void {
  group
    .command("create")
    .description("make a group")
    .argument("<stream>", "a stream, or a pattern like 'orders:*'")
    .argument("<group...>", "further streams, and last the group")
    .usage("[options] <stream...> <group>")
    .addOption(
      groupStartOption(
        "--at <id>",
        "0 (default): everything in the stream; $: what comes from now on; or after an ID",
      ),
    )
    .addOption(new Option("--mkstream", "make the stream, too, when it is not there"))
    .addOption(new Option("--if-missing", "leave a group that exists where it is, and succeed"))
    .action(act(create))
    .addHelpText("after", CREATE_HELP);
  group
    .command("set-id")
    .description("set what a group was given last: forward skips entries, backward replays them")
    .argument("<stream>", "the stream")
    .argument("<group>", "the group")
    .addOption(
      required(groupStartOption("--at <id>", "0, $ or an entry ID: the group gets what comes after it")),
    )
    .addOption(new Option("--dry-run", "only show what would be skipped or replayed"))
    .action(act(setId))
    .addHelpText("after", SET_ID_HELP);
  group
    .command("destroy")
    .description("remove a group with its position and its pending list")
    .argument("<stream>", "the stream")
    .argument("<group>", "the group")
    .addOption(new Option("--dry-run", "only show what would go"))
    .action(act(destroy))
    .addHelpText("after", DESTROY_HELP);
}

const CREATE_HELP = `
Examples:
  streamctl group create orders billing
  streamctl group create orders billing --at '$' --mkstream
  streamctl group create 'orders:*' billing --if-missing
  streamctl group create orders:0 orders:1 orders:2 billing --mkstream --if-missing`;

const SET_ID_HELP = `
What is pending stays pending. An entry that is replayed while it is pending goes to whoever reads it.

Examples:
  streamctl group set-id orders billing --at 1694012345678-0 --dry-run
  streamctl group set-id orders billing --at '$' -y`;

const DESTROY_HELP = `
It tells what the group holds and has not been given, and asks first. The entries stay in the stream.

Examples:
  streamctl group destroy orders billing --dry-run`;

async function create(
  context: Context,
  args: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const {
    at = "0",
    mkstream = false,
    ifMissing = false,
  } = options as {
    at?: string;
    mkstream?: boolean;
    ifMissing?: boolean;
  };
  const [names, group = ""] = [args.slice(0, -1), args.at(-1)];
  await context.mustBeWritable();
  const connection = await context.connect();
  const [{ createGroup }, { printRows }, { chooseStreams }, { StreamFailures }] = await Promise.all([
    import("../engine/groups/create.ts"),
    import("../output/rows.ts"),
    import("./stream-arguments.ts"),
    import("./stream-failures.ts"),
  ]);
  const { streams } = await chooseStreams(context, connection, names);
  const failures = new StreamFailures(context, connection);
  async function* made(): AsyncGenerator<CreatedGroup> {
    for (const stream of streams) {
      if (context.stop.aborted) return;
      try {
        yield await createGroup(connection, stream, group, { at, makeStream: mkstream, ifMissing });
      } catch (error) {
        failures.add(error);
      }
    }
  }
  await printRows(context, CREATE_COLUMNS, made(), { empty: "" });
  return failures.finish(streams.length);
}

/** Each time the group moves while the plan is made or somebody thinks about it, there is a new plan. */
const PLANS = 10;

async function setId(
  context: Context,
  [stream = "", group = ""]: string[],
  options: Record<string, unknown>,
): Promise<void> {
  const { at, dryRun = false } = options as { at?: string; dryRun?: boolean };
  if (at === undefined) throw new UsageError("where to? Give --at 0, $ or an entry ID");
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const [{ planPosition, applyPosition, movesTooFast }, { printRows }] = await Promise.all([
    import("../engine/groups/position.ts"),
    import("../output/rows.ts"),
  ]);
  for (let left = PLANS; ; left--) {
    const plan = await planPosition(connection, stream, group, at, context.stop);
    if (context.stop.aborted) return;
    if (!dryRun) {
      if (plan.effect !== "none")
        await context.confirm(
          `Set ${group} on ${stream} from ${plan.from} to ${plan.to}? ${effectText(plan)}`,
        );
      if (!(await applyPosition(connection, plan))) {
        if (left === 1) throw movesTooFast(plan);
        context.log.warn(`${group} has moved meanwhile`);
        continue;
      }
    }
    await printRows(context, POSITION_COLUMNS, [plan], { empty: "" });
    context.log.info(
      `${dryRun ? "would set" : "set"} ${group} on ${stream} to ${plan.to}: ${effectText(plan)}`,
    );
    return;
  }
}

function effectText({ effect, entries, entriesAtLeast, pending }: PositionChange): string {
  if (effect === "none") return "it is there already";
  const count =
    entries === null
      ? `≥${formatCount(entriesAtLeast ?? 0, "entry", "entries")}`
      : formatCount(entries, "entry", "entries");
  if (effect === "skip") return `the group never gets the ${count} in between`;
  const again =
    pending === 0 ? "" : `, also those of its ${formatNumber(pending)} pending ones that lie there`;
  return `the group gets ${count} once more${again}`;
}

async function destroy(
  context: Context,
  [stream = "", group = ""]: string[],
  options: Record<string, unknown>,
): Promise<void> {
  const { dryRun = false } = options as { dryRun?: boolean };
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const [{ planDestroy, destroyGroup }, { printRows }] = await Promise.all([
    import("../engine/groups/destroy.ts"),
    import("../output/rows.ts"),
  ]);
  const plan = await planDestroy(connection, stream, group, context.stop);
  if (!dryRun) {
    await context.confirm(`Destroy ${group} on ${stream}? ${lossText(plan)}`);
    await destroyGroup(connection, stream, group);
  }
  await printRows(context, LAG_COLUMNS, [plan], { empty: "" });
  context.log.info(`${dryRun ? "would destroy" : "destroyed"} ${group} on ${stream}: ${lossText(plan)}`);
}

function lossText({ pending, consumers, lag, lagAtLeast }: GroupLag): string {
  const unread = lag === null ? `≥${formatNumber(lagAtLeast ?? 0)}` : formatNumber(lag);
  return `${formatNumber(pending)} pending, ${unread} undelivered, ${formatCount(consumers, "consumer")}`;
}

const CREATE_COLUMNS: readonly Column<CreatedGroup>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "lastDeliveredId", title: "BEGINS AFTER", value: (row) => row.lastDeliveredId },
  {
    key: "created",
    title: "",
    value: (row) => row.created,
    text: (row) => (row.created ? "" : "was there"),
  },
];

const POSITION_COLUMNS: readonly Column<PositionChange>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream, optional: true },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "from", title: "FROM", value: (row) => row.from },
  { key: "to", title: "TO", value: (row) => row.to },
  {
    key: "effect",
    title: "EFFECT",
    value: (row) => row.effect,
    tone: (row) => (row.effect === "none" ? undefined : "warning"),
  },
  {
    key: "entries",
    title: "ENTRIES",
    align: "right",
    value: (row) => row.entries,
    text: (row) =>
      row.entries === null ? `≥${formatNumber(row.entriesAtLeast ?? 0)}` : formatNumber(row.entries),
  },
  { key: "entriesAtLeast", title: "", value: (row) => row.entriesAtLeast, onlyForPrograms: true },
  { key: "pending", title: "PENDING", align: "right", value: (row) => row.pending },
];
