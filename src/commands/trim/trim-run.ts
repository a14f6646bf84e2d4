import type { ArchiveFile } from "../../engine/archive/archive-file.ts";
import type { Context } from "../../context.ts";
import type { Cut } from "../../engine/trim/cut.ts";
import { previewTrim } from "../../engine/trim/preview.ts";
import { type Needs, trim, type TrimRequest } from "../../engine/trim/trim.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, StreamctlError, UsageError } from "../../errors.ts";
import { createProgress } from "../../output/progress.ts";
import { printRows } from "../../output/rows.ts";
import type { Connection } from "../../redis/connection.ts";
import { formatCount } from "../../units.ts";
import { openArchive } from "../open-archive.ts";
import { chooseStreams } from "../stream-arguments.ts";
import { StreamFailures } from "../stream-failures.ts";
import {
  holdText,
  lossText,
  nothingText,
  staleText,
  TRIM_COLUMNS,
  type TrimRow,
  wholeNodesText,
} from "./rows.ts";
import { ONE_CUT, type TrimFlags } from "./trim.ts";

export async function run(
  context: Context,
  [names]: readonly [string[]],
  flags: TrimFlags,
): Promise<number | undefined> {
  const cut = readCut(flags);
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const { streams } = await chooseStreams(context, connection, names);
  if (flags.force && !flags.dryRun) await confirmForce(context, connection, streams, { cut, flags });
  const archive =
    flags.archive === undefined || flags.dryRun ? undefined : await openArchive(context, flags.archive);
  const failures = new StreamFailures(context, connection);
  const held = new Set<string>();
  const rows = trimAll(context, connection, streams, { cut, flags, archive, failures, held });
  if (context.log.quiet && flags.output === undefined && !flags.json) for await (const _ of rows);
  else await printRows(context, TRIM_COLUMNS, rows, { empty: "nothing was trimmed" });
  return (
    failures.finish(streams.length) ?? (held.size > 0 && flags.failIfHeld ? ExitCode.threshold : undefined)
  );
}

function readCut({ maxlen, maxAge, minId }: TrimFlags): Cut {
  if (maxlen !== undefined) return { kind: "length", most: maxlen };
  if (maxAge !== undefined) return { kind: "age", ms: maxAge };
  if (minId !== undefined) return { kind: "id", id: minId };
  throw new UsageError(ONE_CUT);
}

/** Says what it costs to heed no group, and asks. Streams that can't be trimmed at all are told of later. */
async function confirmForce(
  context: Context,
  connection: Connection,
  streams: readonly StreamKey[],
  { cut, flags }: Pick<Plan, "cut" | "flags">,
): Promise<void> {
  if (flags.yes && context.log.quiet) return;
  let entries = 0;
  let needed = 0;
  for (const stream of streams) {
    const request = { stream, cut, exact: flags.exact, force: true, signal: context.stop };
    const preview = await previewTrim(connection, request).catch((error: unknown) => {
      if (!(error instanceof StreamctlError)) throw error;
    });
    entries += preview?.wouldRemove ?? 0;
    for (const loss of preview?.losses ?? []) {
      needed += loss.undelivered + loss.pending;
      context.log.info(lossText(stream, loss));
    }
  }
  const what = streams.length > 3 ? `${streams.length} streams` : streams.join(", ");
  const most = flags.exact || flags.archive !== undefined ? "" : "at most ";
  await context.confirm(
    `Trim ${most}${formatCount(entries, "entry", "entries")} from ${what}, and with them ${needed} that groups have not been given or not acked?`,
  );
}

interface Plan {
  readonly cut: Cut;
  readonly flags: TrimFlags;
  readonly archive: ArchiveFile | undefined;
  readonly failures: StreamFailures;
  /** The streams of which nothing went because a group needs it. */
  readonly held: Set<string>;
}

async function* trimAll(
  context: Context,
  connection: Connection,
  streams: readonly StreamKey[],
  { cut, flags, archive, failures, held }: Plan,
): AsyncGenerator<TrimRow> {
  for (const stream of streams) {
    if (context.stop.aborted) return;
    const progress = createProgress(context.log, { label: `trimming ${stream}`, unit: "entries" });
    context.defer(() => progress.stop());
    const request = {
      stream,
      cut,
      exact: flags.exact || flags.archive !== undefined,
      force: flags.force,
      archive,
      signal: context.stop,
      onProgress: (removed: number) => progress.update(removed),
    };
    try {
      const row = await trimOne(context, connection, request, flags);
      if (isHeld(row)) held.add(stream);
      yield row;
    } catch (error) {
      failures.add(error);
    } finally {
      progress.stop();
    }
  }
}

/** Nothing went, or would go, because a group needs it. */
function isHeld({ hold, removed, wouldRemove }: TrimRow): boolean {
  return hold !== undefined && removed === 0 && !wouldRemove;
}

async function trimOne(
  context: Context,
  connection: Connection,
  request: TrimRequest,
  { dryRun, failIfHeld }: TrimFlags,
): Promise<TrimRow> {
  const { log } = context;
  const { stream } = request;
  const tell = (row: TrimRow, { stale }: Needs): TrimRow => {
    // What makes the run fail is no mere remark: -q does not hide it.
    if (row.hold) log[failIfHeld && isHeld(row) ? "warn" : "info"](holdText(stream, row.hold));
    for (const group of stale) log.info(staleText(stream, group));
    return row;
  };
  if (dryRun) {
    const preview = await previewTrim(connection, request);
    const { length, wouldRemove, cut, hold } = preview;
    for (const loss of preview.losses) log.info(lossText(stream, loss));
    const row = tell({ stream, removed: 0, length, cut, hold, wouldRemove }, preview);
    if (!request.exact && wouldRemove > 0) log.info(wholeNodesText(stream, wouldRemove));
    return row;
  }
  const trimmed = await trim(connection, request);
  const { removed, length, cut, hold, leftInNode } = trimmed;
  const row = tell({ stream, removed, length, cut, hold, wouldRemove: null }, trimmed);
  if (leftInNode) log.info(nothingText(stream));
  return row;
}
