import { type EntryId, parseEntryId } from "../../src/entry/id.ts";

/** An ID that a test writes out. */
export function entryId(text: string): EntryId {
  const id = parseEntryId(text);
  if (id === undefined) throw new Error(`${text} is no entry ID`);
  return id;
}
