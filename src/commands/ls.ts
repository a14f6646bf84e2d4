import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { StreamOverview } from "../engine/streams.ts";
import type { Column } from "../output/column.ts";
import { sizeText } from "../output/format.ts";
import type { Act } from "../program.ts";

export function defineLs(program: Command, act: Act): void {
  program
    .command("ls")
    .description("list streams")
    .argument("[pattern]", "a stream, or a pattern like 'orders:*' (default: every stream)")
    .action(act(ls))
    .addHelpText("after", HELP);
}

const HELP = `
Dead-letter queues are left out, unless the pattern ends as their names do.

Examples:
  streamctl ls
  streamctl ls 'orders:*' -o csv
  streamctl ls '*:dlq'`;

async function ls(context: Context, [pattern = "*"]: string[]): Promise<void> {
  const connection = await context.connect();
  const [{ overviews }, { StreamArguments }, { printRows }] = await Promise.all([
    import("../engine/streams.ts"),
    import("./stream-arguments.ts"),
    import("../output/rows.ts"),
  ]);
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
