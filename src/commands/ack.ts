import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { AckedEntry } from "../engine/claim/ack.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import type { Act } from "../program.ts";
import { checkIds, givenIds, Rejects } from "./id-arguments.ts";
import { requiredGroupOption } from "./options.ts";

interface AckFlags {
  readonly group?: string;
  readonly dryRun?: boolean;
}

export function defineAck(program: Command, act: Act): void {
  program
    .command("ack")
    .description("ack pending entries by hand, whoever holds them")
    .argument("<stream>", "the stream")
    .argument("<id...>", "the entries; - reads IDs, or rows of other commands, from stdin")
    .addOption(requiredGroupOption())
    .addOption(new Option("--dry-run", "only show what would be acked"))
    .action(act(ack))
    .addHelpText("after", HELP);
}

const HELP = `
Nobody gets an acked entry again. Exit 4: none of the IDs was pending; 5: some were not.

Examples:
  streamctl ack orders -g billing 1694012345678-0
  streamctl pending orders -g billing --list --consumer worker-1 | streamctl ack orders -g billing -`;

async function ack(
  context: Context,
  [stream = "", ...ids]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const { group, dryRun = false } = options as AckFlags;
  if (group === undefined) throw new UsageError("acked for whom? Give the group with -g GROUP");
  checkIds(ids);
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const [{ ackPending }, { printRows }] = await Promise.all([
    import("../engine/claim/ack.ts"),
    import("../output/rows.ts"),
  ]);
  const rejects = new Rejects(context);
  let acked = 0;
  const rows = ackPending(connection, {
    stream,
    group,
    ids: givenIds(context, ids, rejects),
    dryRun,
    signal: context.stop,
    onNotPending: (id) => rejects.add(`${id} is not pending`),
  });
  async function* counted(): AsyncGenerator<AckedEntry> {
    for await (const row of rows) {
      acked++;
      yield row;
    }
  }
  try {
    await printRows(context, COLUMNS, counted(), { empty: "nothing was acked" });
  } finally {
    rejects.finish();
    if (acked > 0) context.log.info(`${dryRun ? "would ack" : "acked"} ${acked}`);
  }
  if (context.stop.aborted) return undefined;
  if (rejects.count === 0) return ExitCode.ok;
  return acked > 0 ? ExitCode.partial : ExitCode.notFound;
}

const COLUMNS: readonly Column<AckedEntry>[] = [
  ...OF_GROUP,
  { key: "id", title: "ID", value: (row) => row.id },
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  durationColumn("idleMs", "IDLE"),
  { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries },
];
