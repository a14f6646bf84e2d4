import type { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { Harmless } from "./rights.ts";

/** Writes the commands that add entries to one stream as RESP bytes, straight from drafts. */
export interface EntryEncoder {
  /** The oldest ID to keep, from the next entry on. */
  set minId(id: string);
  /** At which place of a command's arguments the entry's ID stands; its fields follow. */
  readonly idIndex: number;
  /** A command that no server carries out, but that fails like a real one: its ID, 0-0, is never valid. */
  probe(): Harmless;
  /** How many bytes `write` takes at most. */
  size(draft: EntryDraft): number;
  /** Writes the command into `target`, where there must be room; returns the offset after it. */
  write(draft: EntryDraft, target: Buffer, offset: number): number;
}

/** More than the length line of a string and its line end ever take: `$`, ten digits, twice CRLF. */
export const PER_STRING = 15;

/** Writes all strings of a draft as arguments; returns the offset after them. */
export function writeFields(draft: EntryDraft, target: Buffer, offset: number): number {
  let at = offset;
  for (let i = 0; i < draft.count; i++) {
    at = writeLength(draft.length(i), target, at);
    at = draft.write(i, target, at);
    target[at++] = 13;
    target[at++] = 10;
  }
  return at;
}

/** Copies a short constant: a loop is faster than a call into the runtime. */
export function writeBytes(bytes: Buffer, target: Buffer, offset: number): number {
  let at = offset;
  for (let i = 0; i < bytes.length; i++) target[at++] = bytes[i] as number;
  return at;
}

/** `$<length>\r\n`, by hand: a number made into text for each string would cost more than the string. */
function writeLength(length: number, target: Buffer, offset: number): number {
  let at = offset;
  target[at++] = 36;
  if (length < 10) target[at++] = 48 + length;
  else if (length < 100) {
    target[at++] = 48 + ((length / 10) | 0);
    target[at++] = 48 + (length % 10);
  } else at += target.latin1Write(String(length), at);
  target[at++] = 13;
  target[at++] = 10;
  return at;
}
