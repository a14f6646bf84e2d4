import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/letter.ts";
import { Interrupted, UsageError } from "../errors.ts";
import type { Selection } from "./dlq-selection.ts";

/** More rows than this nobody chooses from, and they would have to be held in memory. */
const ROWS = 20_000;

/** Lets a person tick letters on the terminal, newest first; their IDs, oldest first. */
export async function chooseLetters(context: Context, selection: Selection): Promise<string[]> {
  const { io, log } = context;
  if (!context.atTerminal)
    throw new UsageError("which dead letters?", { hint: "name their IDs, or give filters, or --all" });
  const [{ askForMany }, { agoText, fieldsText }, { safeText }] = await Promise.all([
    import("../output/prompt.ts"),
    import("../output/format.ts"),
    import("../output/safe-text.ts"),
  ]);
  const nowMs = Date.now();
  const rowText = (letter: DeadLetter): string =>
    [
      letter.id,
      agoText(letter.failedAt, nowMs),
      safeText(letter.reason ?? "-"),
      fieldsText(letter.fields),
    ].join("  ");
  const rows: Row[] = [];
  let more = false;
  for await (const page of selection.pages()) {
    for (const letter of page) {
      if (rows.length === ROWS) more = true;
      else rows.push({ value: letter.id, name: rowText(letter) });
    }
    if (more) break;
  }
  if (more) log.warn(`only the oldest ${ROWS} letters are shown: choose others by filters`);
  if (context.stop.aborted) throw new Interrupted();
  if (rows.length === 0) throw new UsageError(`no dead letters in ${selection.key}: nothing to replay`);
  rows.reverse();
  const shown = rows.length > PAGES_THROUGH ? await narrow(context, rows) : rows;
  const chosen = await askForMany(io, "Replay which?", shown, context.stop);
  return chosen.toReversed();
}

/** More rows than this nobody pages through. */
const PAGES_THROUGH = 100;

interface Row {
  readonly value: string;
  readonly name: string;
}

/** The rows with a text that a person types; all of them for none. */
async function narrow({ io, log, stop }: Context, rows: readonly Row[]): Promise<readonly Row[]> {
  const { askForText } = await import("../output/prompt.ts");
  for (;;) {
    const question = `${rows.length} letters: only those with this text (Enter for all):`;
    const text = await askForText(io, question, { signal: stop });
    const found = rows.filter(({ name }) => name.includes(text));
    if (found.length > 0) return found;
    log.warn(`none of them has "${text}"`);
  }
}
