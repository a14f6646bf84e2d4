import type { Context } from "../../context.ts";
import { destroyGroup, planDestroy } from "../../engine/groups/destroy.ts";
import type { GroupLag } from "../../engine/lag/lag.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { LAG_COLUMNS } from "../../output/lag-columns.ts";
import { printRows } from "../../output/rows.ts";
import { formatCount, formatNumber } from "../../units.ts";
import type { DestroyFlags } from "./destroy.ts";

export async function run(
  context: Context,
  [stream, group]: readonly [StreamKey, GroupName],
  { dryRun }: DestroyFlags,
): Promise<void> {
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
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
