import type { Context } from "../../context.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Selection } from "./selection.ts";

/**
 * Each letter with the fields that a person made of them in an editor, one page per letter. One that is left
 * unchanged is left out: that is how an editor is told no.
 */
export async function* editLetters(
  context: Context,
  selection: Selection,
  onUnchanged: () => void,
): AsyncGenerator<readonly DeadLetter[]> {
  const { Editor } = await import("../../output/editor.ts");
  const editor = new Editor(context.io, (use) => context.lendTerminal(use), context.stop);
  for await (const page of selection.pages()) {
    for (const letter of page) {
      if (context.stop.aborted) return;
      const fields = await editor.edit(letter.id, about(letter, selection.key), letter.fields);
      if (sameBytes(fields, letter.fields)) onUnchanged();
      else yield [{ ...factsOf(letter), fields }];
    }
  }
}

/** So many lines of stderr an editor shows. */
const STDERR_LINES = 10;

function about(letter: DeadLetter, dlq: StreamKey): string[] {
  const { id, stream, originalId, group, reason, stderr } = letter;
  const lines = [`${id} in ${dlq}`];
  if (originalId !== null) lines.push(`was ${originalId}${stream === null ? "" : ` in ${stream}`}`);
  if (group !== null) lines.push(`failed in ${group}`);
  if (reason !== null) lines.push(`reason: ${reason}`);
  const output = stderr?.toString("utf8").trimEnd() ?? "";
  if (output !== "")
    lines.push(
      ...output
        .split("\n")
        .slice(-STDERR_LINES)
        .map((line) => `stderr: ${line}`),
    );
  return [...lines, "Left unchanged, it is not replayed."];
}

function sameBytes(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((field, at) => field.equals(b[at] as Buffer));
}

/** A letter's facts as values of their own: those of a native one are read when asked for. */
function factsOf(letter: DeadLetter): DeadLetter {
  const { id, entry, layout, doubt, fields, stream, originalId, group, consumer } = letter;
  const { deliveries, reason, exit, stderr, failedAt, replays, deliveriesTotal } = letter;
  const facts = { deliveries, reason, exit, stderr, failedAt, replays, deliveriesTotal };
  return { id, entry, layout, doubt, fields, stream, originalId, group, consumer, ...facts };
}
