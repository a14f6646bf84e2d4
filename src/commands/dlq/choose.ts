import type { Context } from "../../context.ts";
import { lastLine } from "../../engine/dlq/filter.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import type { EntryId } from "../../entry/id.ts";
import { Interrupted, UsageError } from "../../errors.ts";
import { agoText, fieldsText, NONE } from "../../output/format.ts";
import { safeText } from "../../output/safe-text.ts";
import { formatCount } from "../../units.ts";
import { countLetters, noLetters, type Selection } from "./selection.ts";

/** More rows than this nobody chooses from, and they would have to be held in memory. */
const ROWS = 20_000;
/** More rows than this nobody pages through: a text is asked for first. */
const PAGES_THROUGH = 100;

interface Row {
  readonly value: EntryId;
  readonly cells: readonly string[];
}

/** Lets a person tick letters on the terminal, newest first; their IDs, oldest first. */
export async function chooseLetters(context: Context, selection: Selection): Promise<EntryId[]> {
  const { io, log, stop } = context;
  if (!context.atTerminal)
    throw new UsageError("which dead letters?", { hint: "name their IDs, or give filters, or --all" });
  const count = selection.total ?? (await countLetters(selection));
  if (stop.aborted) throw new Interrupted();
  if (count === 0) throw new UsageError(`${noLetters(selection.key, selection.length)}: nothing to replay`);
  const { askForMany, askForText } = await import("../../output/prompt.ts");
  const ask = `${formatCount(count, "letter")}: only those with this text (Enter for all):`;
  for (;;) {
    const text = count > PAGES_THROUGH ? await askForText(io, ask, { signal: stop }) : "";
    const rows = await readRows(context, selection, text);
    if (stop.aborted) throw new Interrupted();
    if (rows.length > 0 || text === "") {
      const question = `Replay which of ${formatCount(rows.length, "letter")}?`;
      return (await askForMany(io, question, inColumns(rows), stop)).toReversed();
    }
    log.warn(`none of them has "${text}"`);
  }
}

/** The letters that have a text anywhere, newest first. */
async function readRows({ log }: Context, selection: Selection, text: string): Promise<Row[]> {
  const nowMs = Date.now();
  const wanted = text.toLowerCase();
  const rows: Row[] = [];
  for await (const page of selection.pages()) {
    for (const letter of page) {
      if (!hasText(letter, wanted)) continue;
      if (rows.length === ROWS) {
        log.warn(`only the oldest ${ROWS} letters are shown: choose others by filters`);
        return rows.toReversed();
      }
      const { id, failedAt, reason, stderr, fields } = letter;
      const words = [reason ?? NONE, lastLine(stderr) ?? NONE].map(safeText);
      rows.push({ value: id, cells: [id, agoText(failedAt, nowMs), ...words, fieldsText(fields)] });
    }
  }
  return rows.toReversed();
}

/** Fields are searched as they are shown: `name=value`. */
function hasText({ id, reason, stderr, fields }: DeadLetter, wanted: string): boolean {
  const has = (part: string | undefined): boolean => part?.toLowerCase().includes(wanted) === true;
  if (has(id) || has(reason ?? undefined) || has(stderr?.toString("utf8"))) return true;
  for (let at = 0; at + 1 < fields.length; at += 2)
    if (has(`${fields[at]?.toString("utf8")}=${fields[at + 1]?.toString("utf8")}`)) return true;
  return false;
}

/** No column but the last is wider. */
const WIDEST = 30;

function inColumns(rows: readonly Row[]): { readonly value: EntryId; readonly name: string }[] {
  const [{ cells: heads } = { cells: [] }] = rows;
  const widths = heads.map((_, at) => Math.max(...rows.map(({ cells }) => cells[at]?.length ?? 0)));
  const cell = (text: string, at: number): string => {
    if (at === heads.length - 1) return text;
    const width = at === 0 ? (widths[at] as number) : Math.min(WIDEST, widths[at] as number);
    return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
  };
  return rows.map(({ value, cells }) => ({ value, name: cells.map(cell).join("  ") }));
}
