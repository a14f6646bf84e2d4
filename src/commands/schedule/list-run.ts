import type { Context } from "../../context.ts";
import { schedulePages, scheduleOf } from "../../engine/schedule/list.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode } from "../../errors.ts";
import { printPages } from "../../output/rows.ts";
import { scheduleLength } from "../../redis/ops/schedule-page.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import type { ListFlags } from "./list.ts";
import { filterOf, noneScheduled, scheduleColumns } from "./rows.ts";

export async function run(
  context: Context,
  [stream]: readonly [StreamKey],
  flags: ListFlags,
): Promise<number | undefined> {
  const connection = await context.connect();
  const filter = await filterOf(connection, flags);
  const length = await scheduleLength(connection, scheduleOf(connection, stream));
  const columns = scheduleColumns(stream, await serverNowMs(connection));
  const pages = schedulePages(connection, stream, filter, context.stop);
  const printed = await printPages(context, columns, pages, { empty: noneScheduled(stream, length) });
  return printed > 0 && flags.failIfAny && !context.stop.aborted ? ExitCode.threshold : undefined;
}
