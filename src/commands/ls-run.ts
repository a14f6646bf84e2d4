import type { Context } from "../context.ts";
import { overviews, type StreamOverview } from "../engine/streams.ts";
import type { Column } from "../output/column.ts";
import { sizeText } from "../output/format.ts";
import { printRows } from "../output/rows.ts";
import { StreamArguments } from "./stream-arguments.ts";

export async function run(context: Context, [pattern = "*"]: readonly [string | undefined]): Promise<void> {
  const connection = await context.connect();
  const args = new StreamArguments(context, connection, [pattern]);
  const rows = overviews(connection, await args.find(), { named: args.named, signal: context.stop });
  await printRows(context, COLUMNS, rows, { empty: `no stream matches ${pattern}` });
}

const COLUMNS: readonly Column<StreamOverview>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "length", title: "LENGTH", align: "right", value: (row) => row.length },
  { key: "groups", title: "GROUPS", align: "right", value: (row) => row.groups, optional: "late" },
  { key: "firstId", title: "FIRST", value: (row) => row.firstId, whole: true, optional: true },
  { key: "lastId", title: "LAST", value: (row) => row.lastId, whole: true, optional: true },
  {
    key: "memoryBytes",
    title: "MEMORY",
    align: "right",
    value: (row) => row.memoryBytes,
    text: (row) => sizeText(row.memoryBytes),
    optional: "late",
  },
];
