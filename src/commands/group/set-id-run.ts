import type { Context } from "../../context.ts";
import {
  applyPosition,
  movesTooFast,
  planPosition,
  type PositionChange,
} from "../../engine/groups/position.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Column } from "../../output/column.ts";
import { printRows } from "../../output/rows.ts";
import { formatCount, formatNumber } from "../../units.ts";
import type { SetIdFlags } from "./set-id.ts";

/** Each time the group moves while the plan is made or somebody thinks about it, there is a new plan. */
const PLANS = 10;

export async function run(
  context: Context,
  [stream, group]: readonly [StreamKey, GroupName],
  { at, dryRun }: SetIdFlags,
): Promise<void> {
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
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
