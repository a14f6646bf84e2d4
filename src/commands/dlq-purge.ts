import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/letter.ts";
import type { PurgeReport } from "../engine/dlq/purge.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import { openArchive, archiveOption } from "./archive-option.ts";
import {
  countLetters,
  noLetters,
  readChoice,
  reportMissing,
  selectLetters,
  type Selection,
  type SelectionFlags,
  selectionOptions,
} from "./dlq-selection.ts";
import { formatCount } from "../units.ts";

interface PurgeFlags extends SelectionFlags {
  readonly archive?: string;
  readonly yes?: boolean;
}

export function defineDlqPurge(dlq: Command, act: Act): void {
  const command = dlq
    .command("purge")
    .description("delete dead letters for good")
    .argument("<stream>", "the source stream, not the queue")
    .argument("[id...]", "IDs in the queue; - reads IDs, or rows of dlq list, from stdin");
  for (const option of selectionOptions()) command.addOption(option);
  command.addOption(archiveOption()).action(act(purge)).addHelpText("after", HELP);
}

const HELP = `
Asks first; -y answers yes. What was archived can be put back with its IDs, under another name, because a queue
takes no IDs below its last one, not even when it is empty:
  streamctl produce orders:dead --file dead.ndjson.gz --input entries --keep-id
  streamctl dlq replay orders --dlq orders:dead --all

Examples:
  streamctl dlq purge orders --until 30d --archive dead.ndjson.gz
  streamctl dlq purge orders --reason 'exit 65' --dry-run
  streamctl dlq purge orders --all -y`;

async function purge(
  context: Context,
  [stream = "", ...ids]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as PurgeFlags;
  const choice = await readChoice(context, ids, flags);
  if (choice.kind === "none")
    throw new UsageError("which dead letters?", { hint: "name their IDs, or give filters, or --all" });
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const selection = await selectLetters(context, connection, stream, flags, choice);
  if (flags.dryRun) return dryRun(context, stream, selection);
  if (!flags.yes) {
    const count = selection.everything ? (selection.total ?? 0) : await countLetters(selection);
    const kept = flags.archive === undefined ? "for good" : `after writing them to ${flags.archive}`;
    if (count > 0)
      await context.confirm(`Delete ${formatCount(count, "dead letter")} from ${selection.key} ${kept}?`);
  }
  const archive = flags.archive === undefined ? undefined : await openArchive(context, flags.archive);
  const [{ purgeLetters }, { createProgress }] = await Promise.all([
    import("../engine/dlq/purge.ts"),
    import("../output/progress.ts"),
  ]);
  const progress = createProgress(context.log, { label: `purging ${selection.key}`, unit: "entries" });
  context.defer(() => progress.stop());
  const report = await purgeLetters(
    connection,
    {
      dlq: selection.key,
      archive,
      signal: context.stop,
      onProgress: (done) => progress.update(done, selection.total),
    },
    selection.pages(),
  );
  progress.stop();
  const partial = report.failure === undefined && reportMissing(context, selection);
  if (report.deleted === 0 && choice.kind === "filtered" && !report.failure && !context.stop.aborted)
    context.log.info(noLetters(selection.key, selection.length));
  await summarize(context, selection, report, flags.archive);
  if (report.failure) throw report.failure;
  return partial && !context.stop.aborted ? ExitCode.partial : undefined;
}

async function dryRun(context: Context, stream: string, selection: Selection): Promise<number | undefined> {
  const [{ letterColumns }, { printRows }] = await Promise.all([
    import("./dlq-columns.ts"),
    import("../output/rows.ts"),
  ]);
  async function* letters(): AsyncGenerator<DeadLetter> {
    for await (const page of selection.pages()) yield* page;
  }
  const columns = letterColumns(stream, selection.key, Date.now());
  const empty = { empty: noLetters(selection.key, selection.length) };
  const count = await printRows(context, columns, letters(), empty);
  const partial = reportMissing(context, selection);
  context.log.info(`would delete ${formatCount(count, "dead letter")} from ${selection.key}`);
  return partial ? ExitCode.partial : undefined;
}

async function summarize(
  { log, output }: Context,
  { key }: Selection,
  { deleted, archived, failure }: PurgeReport,
  archive: string | undefined,
): Promise<void> {
  if (log.quiet && !failure) return;
  if (output.format === "json") {
    log.stream.write(`${JSON.stringify({ dlq: key, deleted, archived, error: failure?.message ?? null })}\n`);
    return;
  }
  const kept = archive === undefined ? "" : `; ${archived} ${archived === 1 ? "is" : "are"} in ${archive}`;
  const text = `deleted ${formatCount(deleted, "dead letter")} from ${key}${kept}`;
  if (failure) log.warn(text);
  else log.info(text);
}
