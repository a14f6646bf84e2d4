import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Entry } from "../../entry/entry.ts";
import { entryPrefix, JsonBytes, writeEntry } from "../../entry/json-encode.ts";
import { entryPieces, isLarge } from "../../entry/json-pieces.ts";
import type { StreamKey } from "../../entry/names.ts";
import { errorText, StreamctlError, UsageError } from "../../errors.ts";
import { endsWhole, packMember } from "./gzip-member.ts";

/**
 * A file that keeps entries before they are deleted: a line of JSON each, in the form that
 * `produce --input entries --keep-id` reads. It is appended to, never overwritten. A name that ends in
 * `.gz` is compressed; each append is a gzip member of its own, so what was appended can be read whatever
 * comes after it. Each append is one write, so that several runs may append to one file.
 */
export class ArchiveFile {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #compressed: boolean;
  readonly #prefixes = new Map<string, Buffer>();
  #failure: StreamctlError | undefined;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
    this.#compressed = path.endsWith(".gz");
  }

  /**
   * Throws UsageError when the file can't be written. `onSetAside` hears of the name that a file was given
   * because nothing can be appended to it.
   */
  static async open(path: string, onSetAside: (kept: string) => void): Promise<ArchiveFile> {
    let archive: ArchiveFile | undefined;
    try {
      archive = new ArchiveFile(await open(path, "a+"), path);
      if (!(await archive.#endCleanly())) {
        await archive.close();
        const kept = path.replace(/\.gz$/, `.torn-${randomUUID().slice(0, 8)}.gz`);
        await rename(path, kept);
        onSetAside(kept);
        archive = new ArchiveFile(await open(path, "a+"), path);
      }
      await syncFolder(dirname(path));
      return archive;
    } catch (error) {
      await archive?.close().catch(() => {});
      throw new UsageError(`can't write --archive: ${errorText(error)}`, { cause: error });
    }
  }

  /**
   * Resolves when the entries are on the disk, and not before; then they may be deleted. Once it has failed
   * it always fails: what came after half a piece could not be read.
   */
  async append(stream: StreamKey, entries: readonly Entry[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (entries.length === 0) return;
    try {
      const pieces = this.#pieces(stream, entries);
      await this.#write(this.#compressed ? await packMember(pieces) : blocksOf(pieces));
      await this.#file.datasync();
    } catch (error) {
      this.#failure = new StreamctlError("failed", `could not write ${this.#path}: ${errorText(error)}`, {
        hint: "what is not in the archive was not deleted",
        cause: error,
      });
      throw this.#failure;
    }
  }

  /** A compressed file to which nothing was ever appended becomes one that unpacks to nothing. */
  async close(): Promise<void> {
    try {
      const isEmpty = this.#compressed && !this.#failure && (await this.#file.stat()).size === 0;
      if (isEmpty) await this.#write(await packMember([]));
    } finally {
      await this.#file.close();
    }
  }

  /** One write; a second one only says why the first stopped short. */
  async #write(pieces: readonly Buffer[]): Promise<void> {
    const size = sizeOf(pieces);
    let { bytesWritten: at } = await this.#file.writev(pieces);
    try {
      while (at < size) at += (await this.#file.writev(cut(pieces, at, size))).bytesWritten;
    } catch (error) {
      await this.#takeBack(cut(pieces, 0, at)).catch(() => {});
      throw error;
    }
  }

  /** Removes half a piece from the end, unless another run has written behind it. */
  async #takeBack(half: readonly Buffer[]): Promise<void> {
    const start = (await this.#file.stat()).size - sizeOf(half);
    if (start < 0) return;
    let at = start;
    for (const piece of half) {
      const { buffer } = await this.#file.read(Buffer.alloc(piece.length), 0, piece.length, at);
      if (!buffer.equals(piece)) return;
      at += piece.length;
    }
    await this.#file.truncate(start);
  }

  /** A line per entry; a large entry is never put together as text. */
  *#pieces(stream: StreamKey, entries: readonly Entry[]): Generator<Buffer, undefined> {
    const out = new JsonBytes();
    const prefix = this.#prefix(stream);
    for (const entry of entries) {
      if (isLarge(entry)) {
        yield out.take();
        yield* entryPieces(prefix, entry, {}, "\n");
      } else {
        writeEntry(out, prefix, entry);
        out.byte(LINE_END);
      }
    }
    yield out.take();
  }

  #prefix(stream: StreamKey): Buffer {
    let prefix = this.#prefixes.get(stream);
    if (!prefix) this.#prefixes.set(stream, (prefix = entryPrefix(stream)));
    return prefix;
  }

  /**
   * A run that was killed may have left half a piece. Half a line is ended, so that it does not run into the
   * next; half a member can't be: then false.
   */
  async #endCleanly(): Promise<boolean> {
    const { size } = await this.#file.stat();
    if (size === 0) return true;
    if (this.#compressed) return endsWhole(this.#file, size);
    const { buffer } = await this.#file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer[0] !== LINE_END) await this.#file.writeFile("\n");
    return true;
  }
}

const LINE_END = 0x0a;

/** One write takes no more than 1,024 pieces. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** The same text in fewer pieces, while no more than a block of it is in memory twice. */
function blocksOf(pieces: Iterable<Buffer>): Buffer[] {
  const blocks: Buffer[] = [];
  let block: Buffer[] = [];
  const end = (): void => {
    blocks.push(block.length === 1 ? (block[0] as Buffer) : Buffer.concat(block));
    block = [];
  };
  for (const piece of pieces) {
    block.push(piece);
    if (sizeOf(block) >= BLOCK_BYTES) end();
  }
  end();
  return blocks;
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((size, { length }) => size + length, 0);
}

/** What stands between two places of a text in pieces. */
function cut(pieces: readonly Buffer[], from: number, to: number): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, from - at), Math.max(0, to - at));
    if (part.length > 0) parts.push(part);
    at += piece.length;
  }
  return parts;
}

/** A new file is there after a crash only when its folder has been written, too. Not every system allows that. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
