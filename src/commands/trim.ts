import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import type { ArchiveFile } from "../engine/archive/archive-file.ts";
import type { Cut } from "../engine/trim/cut.ts";
import type { Needs, TrimRequest } from "../engine/trim/trim.ts";
import { type EntryId, parseEntryId } from "../entry/id.ts";
import { ExitCode, StreamctlError, UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import { openArchive, archiveOption } from "./archive-option.ts";
import { countOption, durationOption } from "./options.ts";
import { StreamFailures } from "./stream-failures.ts";
import type { TrimRow } from "./trim-rows.ts";
import { formatCount } from "../units.ts";

interface TrimFlags {
  readonly maxlen?: number;
  readonly maxAge?: number;
  readonly minId?: EntryId;
  readonly exact?: boolean;
  readonly force?: boolean;
  readonly archive?: string;
  readonly dryRun?: boolean;
  readonly failIfHeld?: boolean;
  readonly yes?: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

export function defineTrim(program: Command, act: Act): void {
  program
    .command("trim")
    .description("trim streams, but not what some group still needs")
    .argument("<stream...>", "streams, or patterns like 'orders:*'")
    .addOption(countOption("--maxlen <n>", "keep the newest n entries", 0))
    .addOption(durationOption("--max-age <duration>", "keep what is not older, by the server's clock"))
    .addOption(
      new Option("--min-id <id>", "keep what has this ID or a later one").argParser((text) => {
        const id = parseEntryId(text);
        if (id === undefined) throw new InvalidArgumentError("Give an entry ID like 1694012345678-0.");
        return id;
      }),
    )
    .addOption(new Option("--exact", "to the entry; without, only whole nodes (some 100 entries) go"))
    .addOption(new Option("--force", "also what groups have not been given or have not acked"))
    .addOption(archiveOption())
    .addOption(new Option("--dry-run", "remove nothing; tell what would go and what groups would lose"))
    .addOption(new Option("--fail-if-held", "exit 6 when nothing was removed because a group still needs it"))
    .addHelpText("after", HELP)
    .action(act(trimCommand));
}

const HELP = `
An entry that some group has not been given, or has not acked, stays, and so does everything after it: then
the group that holds it is named (heldBy). --fail-if-held makes that exit 6 where nothing at all was removed.
Pending entries whose data is gone hold nothing; what clears them is named. --force says what groups lose by it, and asks first. Patterns leave
out dead-letter queues, unless they end as those do. With -q there is no output when all went well, unless -o
asks for rows.

Examples:
  streamctl trim orders --max-age 7d -q --fail-if-held    # from cron: silent when all went well
  streamctl trim 'orders:*' --maxlen 1m --dry-run
  streamctl trim orders --max-age 30d --archive orders.ndjson.gz`;

async function trimCommand(
  context: Context,
  names: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as TrimFlags;
  const cut = readCut(flags);
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const { chooseStreams } = await import("./stream-arguments.ts");
  const { streams } = await chooseStreams(context, connection, names);
  if (flags.force && !flags.dryRun) await confirmForce(context, connection, streams, { cut, flags });
  const archive =
    flags.archive === undefined || flags.dryRun ? undefined : await openArchive(context, flags.archive);
  const [{ TRIM_COLUMNS }, { printRows }] = await Promise.all([
    import("./trim-rows.ts"),
    import("../output/rows.ts"),
  ]);
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
  const cuts: Cut[] = [];
  if (maxlen !== undefined) cuts.push({ kind: "length", most: maxlen });
  if (maxAge !== undefined) cuts.push({ kind: "age", ms: maxAge });
  if (minId !== undefined) cuts.push({ kind: "id", id: minId });
  const [cut] = cuts;
  if (cut === undefined || cuts.length > 1)
    throw new UsageError("say how far to trim with one of --maxlen, --max-age and --min-id");
  return cut;
}

/** Says what it costs to heed no group, and asks. Streams that can't be trimmed at all are told of later. */
async function confirmForce(
  context: Context,
  connection: Connection,
  streams: readonly string[],
  { cut, flags }: Pick<Plan, "cut" | "flags">,
): Promise<void> {
  if (flags.yes && context.log.quiet) return;
  const [{ previewTrim }, { lossText }] = await Promise.all([
    import("../engine/trim/preview.ts"),
    import("./trim-rows.ts"),
  ]);
  let entries = 0;
  let needed = 0;
  for (const stream of streams) {
    const request = { stream, cut, exact: flags.exact === true, force: true, signal: context.stop };
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
  streams: readonly string[],
  { cut, flags, archive, failures, held }: Plan,
): AsyncGenerator<TrimRow> {
  const { createProgress } = await import("../output/progress.ts");
  for (const stream of streams) {
    if (context.stop.aborted) return;
    const progress = createProgress(context.log, { label: `trimming ${stream}`, unit: "entries" });
    context.defer(() => progress.stop());
    const request = {
      stream,
      cut,
      exact: flags.exact === true || flags.archive !== undefined,
      force: flags.force === true,
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
  const { holdText, lossText, nothingText, staleText, wholeNodesText } = await import("./trim-rows.ts");
  const { stream } = request;
  const tell = (row: TrimRow, { stale }: Needs): TrimRow => {
    // What makes the run fail is no mere remark: -q does not hide it.
    if (row.hold) log[failIfHeld && isHeld(row) ? "warn" : "info"](holdText(stream, row.hold));
    for (const group of stale) log.info(staleText(stream, group));
    return row;
  };
  if (dryRun) {
    const { previewTrim } = await import("../engine/trim/preview.ts");
    const preview = await previewTrim(connection, request);
    const { length, wouldRemove, cut, hold } = preview;
    for (const loss of preview.losses) log.info(lossText(stream, loss));
    const row = tell({ stream, removed: 0, length, cut, hold, wouldRemove }, preview);
    if (!request.exact && wouldRemove > 0) log.info(wholeNodesText(stream, wouldRemove));
    return row;
  }
  const { trim } = await import("../engine/trim/trim.ts");
  const trimmed = await trim(connection, request);
  const { removed, length, cut, hold, leftInNode } = trimmed;
  const row = tell({ stream, removed, length, cut, hold, wouldRemove: null }, trimmed);
  if (leftInNode) log.info(nothingText(stream));
  return row;
}
