import type { EntryDraft } from "../../entry/entry-draft.ts";
import { parseEntryId } from "../../entry/id.ts";
import { BadLine } from "./source.ts";

/** Where the IDs of entries come from. */
export type IdRule =
  | { readonly kind: "server" }
  /** One ID as given: a whole one, or `<ms>-*` (Redis 7.0), whose rest the server chooses. */
  | { readonly kind: "fixed"; readonly id: string }
  /** The first field of that name holds it, and stays a field. */
  | { readonly kind: "field"; readonly name: string }
  /** The draft has it from the entry's JSON form. */
  | { readonly kind: "kept" };

/** Whether an entry can be told from any other by its ID, so that writing it twice does no harm. */
export function isExplicit(rule: IdRule): boolean {
  return rule.kind === "fixed" ? !rule.id.endsWith("*") : rule.kind !== "server";
}

/** Gives the draft its ID. Throws BadLine when the line has none that is valid. */
export function assignId(rule: IdRule, draft: EntryDraft, line: number): void {
  switch (rule.kind) {
    case "server":
      draft.id = undefined;
      return;
    case "fixed":
      draft.id = rule.id;
      return;
    case "field":
      draft.id = idOfField(rule.name, draft, line);
      return;
    case "kept":
      if (draft.id === undefined) throw new BadLine(line, '--keep-id, but there is no "id"');
      draft.id = mustBeValid(draft.id, '"id"', line);
  }
}

function idOfField(name: string, draft: EntryDraft, line: number): string {
  for (let i = 0; i < draft.count; i += 2) {
    if (draft.length(i) === Buffer.byteLength(name) && draft.string(i).toString() === name)
      return mustBeValid(draft.string(i + 1).toString(), name, line);
  }
  throw new BadLine(line, `there is no field ${name} to take the ID from`);
}

function mustBeValid(text: string, what: string, line: number): string {
  const id = parseEntryId(text);
  if (id === undefined)
    throw new BadLine(line, `${what} is not an entry ID like 1694012345678-0: ${text.slice(0, 64)}`);
  if (id === "0-0") throw new BadLine(line, "0-0 is not a possible ID: the smallest one is 0-1");
  return id;
}
