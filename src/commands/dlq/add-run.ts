import type { Context } from "../../context.ts";
import { deadLetterByHand, type GivenUp } from "../../engine/dlq/add.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode } from "../../errors.ts";
import type { Column } from "../../output/column.ts";
import { printRows } from "../../output/rows.ts";
import { formatCount } from "../../units.ts";
import { HANDLED_COLUMNS } from "../handled-columns.ts";
import { checkIds, givenIds, ofGroup, Rejects } from "../id-arguments.ts";
import type { AddFlags } from "./add.ts";
import { queueOf } from "./queue.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  { group, reason, dlq: explicit, dryRun }: AddFlags,
): Promise<number | undefined> {
  checkIds(ids);
  const dlq = queueOf(context, stream, explicit);
  if (!dryRun) {
    await context.mustBeWritable();
    const which = ids.includes("-") ? "what stdin names" : formatCount(new Set(ids).size, "entry", "entries");
    await context.confirm(`Dead-letter ${which} of ${group} on ${stream} in ${dlq}?`);
  }
  const connection = await context.connect();
  const rejects = new Rejects(context);
  const found = deadLetterByHand(connection, {
    stream,
    group,
    dlq,
    reason,
    ids: givenIds(context, ids, rejects, ofGroup(stream, group)),
    dryRun,
    signal: context.stop,
    onStays: (id, why) =>
      rejects.add(
        why === "missing"
          ? `${id} has no data any more: claim --drop-missing acks it`
          : `${id} is not pending`,
      ),
  });
  let count = 0;
  async function* counted(): AsyncGenerator<GivenUp> {
    for await (const row of found) {
      count++;
      yield row;
    }
  }
  try {
    await printRows(context, COLUMNS, counted(), { empty: "nothing was dead-lettered" });
  } finally {
    rejects.finish();
    if (count > 0) context.log.info(`${dryRun ? "would dead-letter" : "dead-lettered"} ${count} in ${dlq}`);
  }
  if (context.stop.aborted) return undefined;
  if (rejects.count === 0) return ExitCode.ok;
  return count > 0 ? ExitCode.partial : ExitCode.notFound;
}

const COLUMNS: readonly Column<GivenUp>[] = [
  ...HANDLED_COLUMNS,
  { key: "dlq", title: "QUEUE", value: (row) => row.dlq, optional: "late" },
];
