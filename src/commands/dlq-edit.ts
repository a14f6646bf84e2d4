import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/letter.ts";

/** Each letter with the fields that a person made of them in an editor, one page per letter. */
export async function* editLetters(
  context: Context,
  pages: AsyncIterable<readonly DeadLetter[]>,
): AsyncGenerator<readonly DeadLetter[]> {
  const { Editor } = await import("../output/editor.ts");
  const editor = new Editor(context.io, (use) => context.lendTerminal(use), context.stop);
  for await (const page of pages) {
    for (const letter of page) {
      if (context.stop.aborted) return;
      yield [{ ...factsOf(letter), fields: await editor.edit(letter.id, letter.fields) }];
    }
  }
}

/** A letter's facts as values of their own: those of a native one are read when asked for. */
function factsOf(letter: DeadLetter): DeadLetter {
  const { id, entry, layout, doubt, fields, stream, originalId, group, consumer } = letter;
  const { deliveries, reason, exit, stderr, failedAt, replays, deliveriesTotal } = letter;
  const facts = { deliveries, reason, exit, stderr, failedAt, replays, deliveriesTotal };
  return { id, entry, layout, doubt, fields, stream, originalId, group, consumer, ...facts };
}
