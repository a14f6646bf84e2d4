import type { Context } from "../../context.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import { deadLetters } from "../../engine/dlq/list.ts";
import { type Tally, tally } from "../../engine/dlq/tally.ts";
import { letterWindow } from "../../engine/dlq/window.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode } from "../../errors.ts";
import type { Column } from "../../output/column.ts";
import { createProgress } from "../../output/progress.ts";
import { printRows } from "../../output/rows.ts";
import { letterColumns } from "./columns.ts";
import type { ListFlags } from "./list.ts";
import { letterFilter, queueOf } from "./queue.ts";
import { noLetters, queueLength } from "./selection.ts";

export async function run(
  context: Context,
  [stream]: readonly [StreamKey],
  flags: ListFlags,
): Promise<number | undefined> {
  const connection = await context.connect();
  const key = queueOf(context, stream, flags.dlq);
  const total = await queueLength(context, connection, stream, key);
  const { range, ...failed } = await letterWindow(connection, key, flags);
  const progress = createProgress(context.log, { label: `reading ${key}`, unit: "entries" });
  context.defer(() => progress.stop());
  const letters = range
    ? deadLetters(connection, {
        ...letterFilter(context, stream, flags),
        ...failed,
        key,
        range,
        layout: flags.layout,
        // Counts are the same from either end, and XREVRANGE is a right of its own.
        oldestFirst: flags.oldest || (flags.by !== undefined && flags.limit === undefined),
        limit: flags.limit,
        signal: context.stop,
        onProgress: (seen) => progress.update(seen, range.from === "0-0" ? total : undefined),
      })
    : none();
  const empty = { empty: noLetters(key, total) };
  let printed: number;
  if (flags.by) {
    const tallies = await tally(letters, flags.by);
    progress.stop();
    printed = await printRows(context, tallyColumns(flags.by), tallies, empty);
  } else printed = await printRows(context, letterColumns(stream, key, Date.now()), letters, empty);
  return printed > 0 && flags.failIfAny && !context.stop.aborted ? ExitCode.threshold : undefined;
}

async function* none(): AsyncGenerator<DeadLetter> {}

function tallyColumns(by: string): readonly Column<Tally>[] {
  return [
    { key: "key", title: by.toUpperCase(), value: (row) => row.key, cut: "end" },
    { key: "count", title: "COUNT", align: "right", value: (row) => row.count },
    {
      key: "oldest",
      title: "OLDEST",
      value: (row) => row.oldest?.toISOString() ?? null,
      whole: true,
      optional: true,
    },
    {
      key: "newest",
      title: "NEWEST",
      value: (row) => row.newest?.toISOString() ?? null,
      whole: true,
      optional: true,
    },
  ];
}
