import type { Context } from "../../context.ts";
import { type DedupeMark, listMarks } from "../../engine/dedupe/marks.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Column } from "../../output/column.ts";
import { durationColumn, OF_GROUP } from "../../output/columns.ts";
import { printRows } from "../../output/rows.ts";
import type { ListFlags } from "./list.ts";

export async function run(
  context: Context,
  [stream]: readonly [StreamKey],
  { group, limit = Number.POSITIVE_INFINITY }: ListFlags,
): Promise<undefined> {
  const connection = await context.connect();
  async function* marks(): AsyncGenerator<DedupeMark> {
    let left = limit;
    for await (const mark of listMarks(connection, { stream, group }, context.stop)) {
      yield mark;
      if (--left <= 0) return;
    }
  }
  await printRows(context, COLUMNS, marks(), { empty: `nothing is remembered for ${group} on ${stream}` });
}

const COLUMNS: readonly Column<DedupeMark>[] = [
  ...OF_GROUP,
  { key: "key", title: "KEY", value: (row) => row.key, whole: true },
  { key: "id", title: "ID", value: (row) => row.id },
  durationColumn("ageMs", "AGE"),
  durationColumn("ttlMs", "FOR"),
];
