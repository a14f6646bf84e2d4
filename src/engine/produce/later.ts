import type { Due, EntryDraft } from "../../entry/entry-draft.ts";
import { BadLine } from "../../entry/sources/source.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import { parseDuration } from "../../units.ts";
import { MOMENT_FORMS, parseMoment } from "../position.ts";

/** When entries are to be added that go into the stream's schedule: all at the same time, or as a field of each says. */
export type DueRule = Due | { readonly kind: "field"; readonly name: string };

/** Tells the draft when it is due. The field stays a field. Throws BadLine when it says no time. */
export function assignDue(rule: DueRule, draft: EntryDraft, line: number): void {
  if (draft.count > MAX_SCRIPT_VALUES)
    throw new BadLine(line, `more than ${MAX_SCRIPT_VALUES / 2} fields: too many to be added later`);
  draft.due = rule.kind === "field" ? dueOfField(rule.name, draft, line) : rule;
}

function dueOfField(name: string, draft: EntryDraft, line: number): Due {
  const at = draft.find(name);
  if (at < 0) throw new BadLine(line, `there is no field ${name} to say when the entry is to be added`);
  const text = draft.string(at).toString();
  const delayMs = parseDuration(text);
  if (delayMs !== undefined) return { kind: "in", ms: delayMs };
  const ms = parseMoment(text);
  if (ms !== undefined) return { kind: "at", ms };
  throw new BadLine(line, `${name} is neither a duration like 10m nor ${MOMENT_FORMS}: ${text.slice(0, 64)}`);
}
