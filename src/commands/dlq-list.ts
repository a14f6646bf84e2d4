import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/letter.ts";
import { type Tally, TALLY_KEYS } from "../engine/dlq/tally.ts";
import { ExitCode } from "../errors.ts";
import type { Column } from "../output/column.ts";
import type { Act } from "../program.ts";
import { letterFilter, type LetterFlags, letterOptions, queueOf } from "./dlq-options.ts";
import { noLetters, queueLength } from "./dlq-selection.ts";

interface ListFlags extends LetterFlags {
  readonly oldest?: boolean;
  readonly by?: string;
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
    .addOption(
      new Option(
        "--by <key>",
        `count instead of listing: by ${TALLY_KEYS.join(", ")}, or a field of the originals`,
      ),
    )
    .addOption(new Option("--fail-if-any", "exit 6 when there is any"))
    .action(act(list))
    .addHelpText("after", HELP);
}

const HELP = `
--since and --until go by the time of the failure (dlq.failed-at), --where by the original's fields.

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
  const [{ deadLetters }, { letterColumns }, { letterWindow }, { printRows }, { createProgress }] =
    await Promise.all([
      import("../engine/dlq/list.ts"),
      import("./dlq-columns.ts"),
      import("../engine/dlq/window.ts"),
      import("../output/rows.ts"),
      import("../output/progress.ts"),
    ]);
  const key = queueOf(context, connection, stream, flags.dlq);
  const total = await queueLength(context, connection, stream, key);
  const { range, ...failed } = await letterWindow(connection, key, flags);
  const progress = createProgress(context.log, { label: `reading ${key}`, unit: "entries" });
  context.defer(() => progress.stop());
  const letters = range
    ? deadLetters(connection, {
        ...letterFilter(context, stream, flags),
        ...failed,
        key,
        range,
        layout: flags.layout,
        // Counts are the same from either end, and XREVRANGE is a right of its own.
        oldestFirst: flags.oldest === true || (flags.by !== undefined && flags.limit === undefined),
        limit: flags.limit,
        signal: context.stop,
        onProgress: (seen) => progress.update(seen, range.from === "0-0" ? total : undefined),
      })
    : none();
  const empty = { empty: noLetters(key, total) };
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

function tallyColumns(by: string): readonly Column<Tally>[] {
  return [
    { key: "key", title: by.toUpperCase(), value: (row) => row.key, cut: "end" },
    { key: "count", title: "COUNT", align: "right", value: (row) => row.count },
    {
      key: "oldest",
      title: "OLDEST",
      value: (row) => row.oldest?.toISOString() ?? null,
      whole: true,
      optional: true,
    },
    {
      key: "newest",
      title: "NEWEST",
      value: (row) => row.newest?.toISOString() ?? null,
      whole: true,
      optional: true,
    },
  ];
}
