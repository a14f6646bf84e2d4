import type { Context } from "../../context.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import type { Selection } from "./selection.ts";

/** So many letters are looked at before anything is replayed. */
const LOOKED_AT = 50;
const KINDS_TOLD = 5;

/**
 * Says what letters of a doubtful layout were taken for, and asks. True when they are to be replayed all
 * the same; false when none was found, so that one that comes later is left out.
 */
export async function settleDoubt(
  context: Context,
  selection: Selection,
  { yes, dryRun }: { readonly yes?: boolean; readonly dryRun?: boolean },
): Promise<boolean> {
  let looked = 0;
  /** By what they were taken for and why that is in doubt. */
  const doubtful = new Map<string, { count: number; readonly first: DeadLetter }>();
  for await (const page of selection.pages()) {
    for (const letter of page) {
      looked++;
      if (letter.doubt === undefined) continue;
      const kind = `${LAYOUT_WORDS[letter.layout]}, but ${letter.doubt}`;
      const found = doubtful.get(kind);
      if (found) found.count++;
      else doubtful.set(kind, { count: 1, first: letter });
    }
    if (looked >= LOOKED_AT) break;
  }
  if (doubtful.size === 0) return yes === true;
  for (const [kind, { count, first }] of [...doubtful].slice(0, KINDS_TOLD)) {
    const more = count === 1 ? "" : ` (and ${count - 1} more of the ${looked} looked at)`;
    context.log.warn(`${selection.key}: ${first.id} is taken for ${kind}${more}`);
  }
  if (doubtful.size > KINDS_TOLD)
    context.log.warn(`${selection.key}: ${doubtful.size - KINDS_TOLD} more kinds are in doubt`);
  if (!dryRun) await context.confirm("Replay them as they were taken? (--layout says what they are)");
  return true;
}

const LAYOUT_WORDS = {
  native: "a record of streamctl",
  copied: "a copy of the original",
  wrapped: "a wrapped original",
} as const;
