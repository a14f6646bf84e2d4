import type { Context } from "../../context.ts";
import { resumeGroup } from "../../engine/groups/pause.ts";
import { pauseText } from "../../engine/groups/pause-text.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { PAUSE_CHANGE_COLUMNS } from "../../output/pause-columns.ts";
import { printRows } from "../../output/rows.ts";

export async function run(context: Context, [stream, group]: readonly [StreamKey, GroupName]): Promise<void> {
  await context.mustBeWritable();
  const connection = await context.connect();
  const change = await resumeGroup(connection, stream, group);
  await printRows(context, PAUSE_CHANGE_COLUMNS, [change], { empty: "" });
  const { before } = change;
  const was = before === undefined ? "was not paused" : `goes on: it was paused ${pauseText(before)}`;
  context.log.info(`${group} on ${stream} ${was}`);
}
