import type { Context } from "../../context.ts";
import { pauseGroup } from "../../engine/groups/pause.ts";
import { pauseText } from "../../engine/groups/pause-text.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import { userAtHost } from "../../lib/user-at-host.ts";
import { PAUSE_CHANGE_COLUMNS } from "../../output/pause-columns.ts";
import { printRows } from "../../output/rows.ts";
import { version } from "../../version.ts";
import type { PauseFlags } from "./pause.ts";

export async function run(
  context: Context,
  [stream, group]: readonly [StreamKey, GroupName],
  { reason, for: forMs }: PauseFlags,
): Promise<void> {
  if (forMs === 0) throw new UsageError("--for 0 would pause nothing");
  await context.mustBeWritable();
  const connection = await context.connect();
  const by = userAtHost(context.io.env);
  const wish = { reason, by, tool: `streamctl ${version}`, forMs };
  const change = await pauseGroup(connection, stream, group, wish);
  await printRows(context, PAUSE_CHANGE_COLUMNS, [change], { empty: "" });
  const { before, pause } = change;
  const already = before === undefined ? "paused" : "was paused already:";
  if (pause) context.log.info(`${group} on ${stream} ${already} ${pauseText(pause)}`);
}
