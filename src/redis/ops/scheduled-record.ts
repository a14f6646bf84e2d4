import type { Buffer } from "node:buffer";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import type { EntryId } from "../../entry/id.ts";
import { type GroupName, groupName } from "../../entry/names.ts";
import { asId, asText } from "../value.ts";

/**
 * What stands in a schedule under a token. An entry to be added: its names and values, alternating, byte for byte. An
 * entry that is pending and was put off: who has it to be given back, and why it waits.
 */
export type ScheduledRecord =
  | { readonly kind: "entry"; readonly fields: readonly Buffer[] }
  | { readonly kind: "putOff"; readonly group: GroupName; readonly id: EntryId; readonly reason: string };

/** What a record is that can't be read: another program's. */
export type Unreadable = { readonly kind: "unreadable" };

/**
 * Records are MessagePack, which the scripts can read: an array of strings, an even number of them for an entry, and three
 * for one that was put off.
 */
const PUT_OFF_STRINGS = 3;

/** So many bytes a draft takes as a record. */
export function recordSize(draft: EntryDraft): number {
  let size = headSize(draft.count, 16) + draft.bytes;
  for (let i = 0; i < draft.count; i++) size += headSize(draft.length(i), 32);
  return size;
}

/** Writes a draft as a record into `target`, where there must be room; returns the offset after it. */
export function writeRecord(draft: EntryDraft, target: Buffer, offset: number): number {
  let at = writeHead(target, offset, draft.count, ARRAY);
  for (let i = 0; i < draft.count; i++) {
    at = writeHead(target, at, draft.length(i), STRING);
    at = draft.write(i, target, at);
  }
  return at;
}

/** A kind of MessagePack's heads: its first byte with a length in itself, in two bytes, in four. */
interface Head {
  readonly fix: number;
  readonly fixEnd: number;
  readonly two: number;
  readonly four: number;
}

const ARRAY: Head = { fix: 0x90, fixEnd: 16, two: 0xdc, four: 0xdd };
const STRING: Head = { fix: 0xa0, fixEnd: 32, two: 0xda, four: 0xdb };
/** A string of up to 255 bytes, as newer writers have it. */
const STRING_ONE = 0xd9;

function headSize(length: number, fixEnd: number): number {
  if (length < fixEnd) return 1;
  return length < 0x1_00_00 ? 3 : 5;
}

function writeHead(target: Buffer, at: number, length: number, { fix, fixEnd, two, four }: Head): number {
  if (length < fixEnd) {
    target[at] = fix | length;
    return at + 1;
  }
  if (length < 0x1_00_00) {
    target[at] = two;
    return target.writeUInt16BE(length, at + 1);
  }
  target[at] = four;
  return target.writeUInt32BE(length, at + 1);
}

/** Reads a record; its buffers share memory with `bytes`. */
export function decodeRecord(bytes: Buffer): ScheduledRecord | Unreadable {
  const strings = decodeStrings(bytes);
  if (strings === undefined || strings.length === 0) return { kind: "unreadable" };
  if (strings.length % 2 === 0) return { kind: "entry", fields: strings };
  if (strings.length !== PUT_OFF_STRINGS) return { kind: "unreadable" };
  const [group, id, reason] = strings as [Buffer, Buffer, Buffer];
  return { kind: "putOff", group: groupName(asText(group)), id: asId(id), reason: reason.toString() };
}

function decodeStrings(bytes: Buffer): Buffer[] | undefined {
  let at = 0;
  const head = ({ fix, fixEnd, two, four }: Head): number | undefined => {
    const first = bytes[at++] ?? 0;
    if (first >= fix && first < fix + fixEnd) return first - fix;
    const size = first === two ? 2 : first === four ? 4 : first === STRING_ONE && two === STRING.two ? 1 : 0;
    if (size === 0 || at + size > bytes.length) return undefined;
    at += size;
    return bytes.readUIntBE(at - size, size);
  };
  const count = head(ARRAY);
  if (count === undefined || count > bytes.length) return undefined;
  const strings: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const length = head(STRING);
    if (length === undefined || at + length > bytes.length) return undefined;
    strings.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at === bytes.length ? strings : undefined;
}
