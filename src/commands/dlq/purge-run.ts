import type { Context } from "../../context.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import { purgeLetters, type PurgeReport } from "../../engine/dlq/purge.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, UsageError } from "../../errors.ts";
import { createProgress } from "../../output/progress.ts";
import { printRows } from "../../output/rows.ts";
import { formatCount } from "../../units.ts";
import { openArchive } from "../open-archive.ts";
import { letterColumns } from "./columns.ts";
import type { PurgeFlags } from "./purge.ts";
import {
  countLetters,
  noLetters,
  readChoice,
  reportMissing,
  selectLetters,
  type Selection,
} from "./selection.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: PurgeFlags,
): Promise<number | undefined> {
  const choice = await readChoice(context, stream, ids, flags);
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

async function dryRun(
  context: Context,
  stream: StreamKey,
  selection: Selection,
): Promise<number | undefined> {
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
