import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { crc32, createGunzip, deflateRaw } from "node:zlib";

const deflate = promisify(deflateRaw);

/** RFC 1952, with one extra field `Sc` of four bytes: the member's length. Every gzip skips what it doesn't know. */
const HEAD = Buffer.from("1f8b08040000000000ff08005363040000000000", "hex");
const LENGTH_AT = 16;
const TRAILER = 8;

/** Compresses text into a gzip member of its own, which tells its length. */
export async function packMember(text: Buffer): Promise<Buffer> {
  const packed = await deflate(text);
  const member = Buffer.allocUnsafe(HEAD.length + packed.length + TRAILER);
  HEAD.copy(member);
  member.writeUInt32LE(member.length, LENGTH_AT);
  packed.copy(member, HEAD.length);
  const trailer = HEAD.length + packed.length;
  member.writeUInt32LE(crc32(text), trailer);
  member.writeUInt32LE(text.length % 2 ** 32, trailer + 4);
  return member;
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
