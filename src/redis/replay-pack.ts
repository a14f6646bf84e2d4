import { Buffer } from "node:buffer";

/** One dead letter to replay: what the scripts in scripts/replay.ts take. */
export interface Replay {
  /** Its ID in the queue. */
  readonly id: string;
  /** How often it will have been replayed then. */
  readonly replays: number;
  readonly fields: readonly Buffer[];
}

/** More than the head of a string, a number or an array ever takes. */
const HEAD = 5;

/** How many bytes a replay takes in a pack, at most. */
export function packedSize({ id, fields }: Replay): number {
  let size = id.length + HEAD * (fields.length + 4);
  for (const field of fields) size += field.length;
  return size;
}

/** Replays as MessagePack, an array of `[id, replays, [name, value, …]]`, for cmsgpack.unpack in Lua. */
export function packReplays(replays: readonly Replay[]): Buffer {
  let size = HEAD;
  for (const replay of replays) size += packedSize(replay);
  const out = Buffer.allocUnsafe(size);
  let at = arrayHead(out, 0, replays.length);
  for (const { id, replays: number, fields } of replays) {
    at = arrayHead(out, at, 3);
    at = stringHead(out, at, id.length);
    at += out.latin1Write(id, at);
    out[at++] = 0xce;
    at = out.writeUInt32BE(number, at);
    at = arrayHead(out, at, fields.length);
    for (const field of fields) {
      at = stringHead(out, at, field.length);
      at += field.copy(out, at);
    }
  }
  return out.subarray(0, at);
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
