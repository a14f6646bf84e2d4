import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw, createGunzip } from "node:zlib";

/** RFC 1952, with one extra field `Sc` of four bytes: the member's length. Every gzip skips what it doesn't know. */
const HEAD = Buffer.from("1f8b08040000000000ff08005363040000000000", "hex");
const LENGTH_AT = 16;
const TRAILER = 8;

/** So that a member is few pieces, which one write takes. */
const PACKED_PIECE = 1024 * 1024;

/** Compresses a text, piece by piece, into a gzip member of its own, which tells its length. */
export async function packMember(text: Iterable<Buffer>): Promise<Buffer[]> {
  let crc = 0;
  let size = 0;
  function* counted(): Generator<Buffer, undefined> {
    for (const piece of text) {
      if (piece.length === 0) continue;
      crc = crc32(piece, crc);
      size += piece.length;
      yield piece;
    }
  }
  const packed: Buffer[] = [];
  await pipeline(counted(), createDeflateRaw({ chunkSize: PACKED_PIECE }), async (pieces) => {
    for await (const piece of pieces) packed.push(piece as Buffer);
  });
  const head = Buffer.from(HEAD);
  const length = packed.reduce((sum, piece) => sum + piece.length, HEAD.length + TRAILER);
  head.writeUInt32LE(length, LENGTH_AT);
  const trailer = Buffer.alloc(TRAILER);
  trailer.writeUInt32LE(crc);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  return [head, ...packed, trailer];
}

/**
 * Whether the file ends with the end of a member: what is appended to any other can't be unpacked. Members
 * that tell their length are skipped; only the last one, or what others wrote, is unpacked.
 */
export async function endsWhole(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return true;
  let at = 0;
  for (;;) {
    const length = await memberLength(file, at);
    if (length === undefined || at + length >= size) break;
    at += length;
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(file.createReadStream({ start: at, autoClose: false }), createGunzip(), nowhere);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith("Z_")) return false;
    throw error;
  }
}

/** Undefined for a member that does not tell it. */
async function memberLength(file: FileHandle, at: number): Promise<number | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD.length), 0, HEAD.length, at);
  if (bytesRead < HEAD.length || buffer.compare(HEAD, 0, LENGTH_AT, 0, LENGTH_AT) !== 0) return undefined;
  const length = buffer.readUInt32LE(LENGTH_AT);
  return length > HEAD.length + TRAILER ? length : undefined;
}
