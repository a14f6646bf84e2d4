import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/record.ts";
import { type Tally, TALLY_KEYS, type TallyKey } from "../engine/dlq/tally.ts";
import { ExitCode } from "../errors.ts";
import { type Column, FieldList } from "../output/column.ts";
import { agoText } from "../output/format.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import { letterFilter, type LetterFlags, letterOptions, queueOf } from "./dlq-options.ts";

interface ListFlags extends LetterFlags {
  readonly oldest?: boolean;
  readonly by?: TallyKey;
  readonly failIfAny?: boolean;
}

export function defineDlqList(dlq: Command, act: Act): void {
  const command = dlq
    .command("list")
    .description("list what a stream lost to its dead-letter queue, newest first")
    .argument("<stream>", "the source stream, not the queue");
  for (const option of letterOptions()) command.addOption(option);
  command
    .addOption(new Option("--oldest", "oldest first"))
    .addOption(new Option("--by <key>", "count instead of listing").choices([...TALLY_KEYS]))
    .addOption(new Option("--fail-if-any", "exit 6 when there is any"))
    .action(act(list))
    .addHelpText("after", HELP);
}

const HELP = `
--since and --until go by the time of the failure, --where by the original's fields.

Examples:
  streamctl dlq list orders --since 1h --reason '~timeout|signal'
  streamctl dlq list orders --by reason
  streamctl dlq list orders --fail-if-any -q`;

async function list(
  context: Context,
  [stream = ""]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as ListFlags;
  const connection = await context.connect();
  const [{ deadLetters }, { resolveRange }, { printRows }, { createProgress }] = await Promise.all([
    import("../engine/dlq/list.ts"),
    import("../engine/position.ts"),
    import("../output/rows.ts"),
    import("../output/progress.ts"),
  ]);
  const key = queueOf(context, connection, stream, flags.dlq);
  const total = await queueLength(context, connection, stream, key);
  const range = await resolveRange(connection, key, { from: flags.since, to: flags.until });
  const progress = createProgress(context.log, { label: `reading ${key}`, unit: "entries" });
  context.defer(() => progress.stop());
  const letters = range
    ? deadLetters(connection, {
        ...letterFilter(context, stream, flags),
        key,
        range,
        oldestFirst: flags.oldest === true,
        limit: flags.limit,
        signal: context.stop,
        onProgress: (seen) => progress.update(seen, range.from === "0-0" ? total : undefined),
      })
    : none();
  const empty = { empty: `no dead letters in ${key}` };
  let printed: number;
  if (flags.by) {
    const { tally } = await import("../engine/dlq/tally.ts");
    const tallies = await tally(letters, flags.by);
    progress.stop();
    printed = await printRows(context, tallyColumns(flags.by), tallies, empty);
  } else printed = await printRows(context, letterColumns(stream, key, Date.now()), letters, empty);
  return printed > 0 && flags.failIfAny && !context.stop.aborted ? ExitCode.threshold : undefined;
}

async function* none(): AsyncGenerator<DeadLetter> {}

/** A queue comes into being with its first dead letter, so only a stream that isn't there either is an error. */
async function queueLength(
  context: Context,
  connection: Connection,
  stream: string,
  key: string,
): Promise<number> {
  const { streamLength, noStream } = await import("../engine/groups/missing.ts");
  const length = await streamLength(connection, key);
  if (length !== undefined) return length;
  if ((await streamLength(connection, stream)) === undefined) throw noStream(stream);
  if (stream.endsWith(":dlq"))
    context.log.warn(`${stream} looks like a queue: name its source stream, or pass --dlq ${stream}`);
  return 0;
}

function letterColumns(stream: string, key: string, nowMs: number): readonly Column<DeadLetter>[] {
  return [
    { key: "stream", title: "STREAM", value: (row) => row.stream ?? stream, optional: true },
    { key: "dlq", title: "QUEUE", value: () => key, onlyForPrograms: true },
    { key: "id", title: "ID", value: (row) => row.id },
    { key: "originalId", title: "ORIGINAL", value: (row) => row.originalId, optional: true },
    { key: "group", title: "GROUP", value: (row) => row.group },
    { key: "consumer", title: "CONSUMER", value: (row) => row.consumer, optional: true },
    { key: "deliveries", title: "TRIES", align: "right", value: (row) => row.deliveries },
    { key: "reason", title: "REASON", value: (row) => row.reason },
    {
      key: "failedAt",
      title: "FAILED",
      value: (row) => row.failedAt?.toISOString() ?? null,
      text: (row) => agoText(row.failedAt, nowMs),
    },
    {
      key: "replays",
      title: "REPLAYS",
      align: "right",
      value: (row) => row.replays,
      tone: (row) => (row.replays > 0 ? "warning" : undefined),
      optional: true,
    },
    { key: "layout", title: "LAYOUT", value: (row) => row.layout, onlyForPrograms: true },
    { key: "fields", title: "FIELDS", value: (row) => new FieldList(row.fields) },
  ];
}

function tallyColumns(by: TallyKey): readonly Column<Tally>[] {
  return [
    { key: "key", title: by.toUpperCase(), value: (row) => row.key },
    { key: "count", title: "COUNT", align: "right", value: (row) => row.count },
    { key: "oldest", title: "OLDEST", value: (row) => row.oldest?.toISOString() ?? null },
    { key: "newest", title: "NEWEST", value: (row) => row.newest?.toISOString() ?? null },
  ];
}
