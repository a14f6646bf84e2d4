import type { Command } from "commander";
import type { Context } from "../context.ts";
import { ExitCode } from "../errors.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import type { LetterInFull } from "./dlq-columns.ts";
import { dlqOption, layoutOption, type LetterFlags } from "./dlq-options.ts";
import { readNames, reportMissing, selectLetters } from "./dlq-selection.ts";

export function defineDlqShow(dlq: Command, act: Act): void {
  dlq
    .command("show")
    .description("show everything known about dead letters: fields, failure, stderr, deliveries")
    .argument("<stream>", "the source stream, not the queue")
    .argument("<id...>", "IDs in the queue; - reads IDs, or rows of dlq list, from stdin")
    .addOption(dlqOption())
    .addOption(layoutOption())
    .action(act(show))
    .addHelpText("after", HELP);
}

const HELP = `
Examples:
  streamctl dlq show orders 1694012345678-0
  streamctl dlq show orders 1694012345678-0 --json
  streamctl dlq list orders --limit 5 | streamctl dlq show orders -`;

async function show(
  context: Context,
  [stream = "", ...ids]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as Pick<LetterFlags, "dlq" | "layout">;
  const choice = await readNames(context, ids);
  const connection = await context.connect();
  const selection = await selectLetters(context, connection, stream, flags, choice);
  const { fullColumns } = await import("./dlq-columns.ts");
  async function* rows(): AsyncGenerator<LetterInFull> {
    for await (const page of selection.pages()) {
      for (const letter of page)
        yield { letter, inStream: await isInStream(connection, letter.stream ?? stream, letter.originalId) };
    }
  }
  if (context.output.format === "table") {
    const { letterText } = await import("../output/letter-text.ts");
    let any = false;
    for await (const { letter, inStream } of rows()) {
      const text = await letterText(letter, {
        stream,
        dlq: selection.key,
        inStream,
        color: context.output.color,
      });
      await context.output.write(any ? `\n${text}` : text);
      any = true;
    }
  } else {
    const { printRows } = await import("../output/rows.ts");
    await printRows(context, fullColumns(stream, selection.key, Date.now()), rows(), { empty: "" });
  }
  if (!reportMissing(context, selection)) return undefined;
  return ExitCode.partial;
}

/** Null when that can't be known: the letter does not name its original, or this user may not look. */
async function isInStream(
  connection: Connection,
  stream: string,
  id: string | null,
): Promise<boolean | null> {
  if (id === null) return null;
  const { rangePage } = await import("../redis/ops/range.ts");
  const found = await rangePage(connection, stream, { from: id, to: id, count: 1 }).catch(() => undefined);
  return found === undefined ? null : found.length > 0;
}
