import { Buffer } from "node:buffer";
import type { EntryId } from "../../entry/id.ts";
import type { GroupName } from "../../entry/names.ts";

/** One dead letter to replay: what the scripts of replay.ts take. */
export interface Replay {
  /** Its ID in the queue. */
  readonly id: EntryId;
  /** How often it will have been replayed then. */
  readonly replays: number;
  /** How often it had been delivered until now, in all its lives. */
  readonly deliveries: number;
  /** The group it failed in; "" when that is not known. */
  readonly group: GroupName;
  /** Its ID in the stream; "" for one that can only be added anew. */
  readonly originalId: EntryId | "";
  readonly fields: readonly Buffer[];
}

/** More than the head of a string, a number or an array ever takes. */
const HEAD = 5;

/** How many bytes a replay takes in a pack, at most. */
export function packedSize({ id, group, originalId, fields }: Replay): number {
  let size = id.length + 3 * group.length + originalId.length + HEAD * (fields.length + 7);
  for (const field of fields) size += field.length;
  return size;
}

/** More than this is none the wiser, and does not fit. */
const MOST = 2 ** 32 - 1;

/** From so many bytes on, a value is not copied. */
const LARGE = 1_200_000;

/** Lua: what packReplays has made, of the arguments from the nth on. */
export const UNPACK = `
local function unpack_replays(n)
  return cmsgpack.unpack(#ARGV == n and ARGV[n] or table.concat(ARGV, '', n))
end
`;

/**
 * Replays as MessagePack, an array of `[id, replays, deliveries, group, originalId, [name, value, …]]`, in one piece
 * but for large values, which are pieces of their own.
 */
export function packReplays(replays: readonly Replay[]): Buffer[] {
  let size = HEAD;
  for (const replay of replays) {
    size += packedSize(replay);
    for (const field of replay.fields) if (field.length >= LARGE) size -= field.length;
  }
  const pieces: Buffer[] = [];
  const out = Buffer.allocUnsafe(size);
  let begin = 0;
  let at = arrayHead(out, 0, replays.length);
  for (const { id, replays: number, deliveries, group, originalId, fields } of replays) {
    at = arrayHead(out, at, 6);
    at = text(out, at, id);
    at = count(out, at, number);
    at = count(out, at, deliveries);
    at = text(out, at, group);
    at = text(out, at, originalId);
    at = arrayHead(out, at, fields.length);
    for (const field of fields) {
      at = stringHead(out, at, field.length);
      if (field.length < LARGE) at += field.copy(out, at);
      else {
        pieces.push(out.subarray(begin, at), field);
        begin = at;
      }
    }
  }
  if (begin < at) pieces.push(out.subarray(begin, at));
  return pieces;
}

function text(out: Buffer, at: number, value: string): number {
  const length = Buffer.byteLength(value);
  const start = stringHead(out, at, length);
  return start + out.write(value, start, length);
}

function count(out: Buffer, at: number, value: number): number {
  out[at] = 0xce;
  return out.writeUInt32BE(Math.min(value, MOST), at + 1);
}

function arrayHead(out: Buffer, at: number, length: number): number {
  out[at] = 0xdd;
  return out.writeUInt32BE(length, at + 1);
}

function stringHead(out: Buffer, at: number, length: number): number {
  if (length < 32) {
    out[at] = 0xa0 | length;
    return at + 1;
  }
  out[at] = 0xdb;
  return out.writeUInt32BE(length, at + 1);
}
