import type { Context } from "../../context.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode } from "../../errors.ts";
import { letterText } from "../../output/letter-text.ts";
import { printRows } from "../../output/rows.ts";
import type { Connection } from "../../redis/connection.ts";
import { missingIds } from "../../redis/ops/presence.ts";
import { fullColumns, type LetterInFull } from "./columns.ts";
import { readNames, reportMissing, selectLetters } from "./selection.ts";
import type { ShowFlags } from "./show.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: ShowFlags,
): Promise<number | undefined> {
  const choice = await readNames(context, stream, ids, flags);
  const connection = await context.connect();
  const selection = await selectLetters(context, connection, stream, flags, choice);
  async function* rows(): AsyncGenerator<LetterInFull> {
    for await (const page of selection.pages()) {
      for (const letter of page)
        yield { letter, inStream: await isInStream(connection, letter.stream ?? stream, letter.originalId) };
    }
  }
  if (context.output.format === "table") {
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
    await printRows(context, fullColumns(stream, selection.key, Date.now()), rows(), { empty: "" });
  }
  if (!reportMissing(context, selection)) return undefined;
  return ExitCode.partial;
}

/** Null when that can't be known: the letter does not name its original, or this user may not look. */
async function isInStream(
  connection: Connection,
  stream: StreamKey,
  id: EntryId | null,
): Promise<boolean | null> {
  if (id === null) return null;
  const missing = await missingIds(connection, stream, [id]).catch(() => undefined);
  return missing === undefined ? null : missing.size === 0;
}
