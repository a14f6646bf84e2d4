import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Entry } from "../../entry/entry.ts";
import { entryPrefix, JsonBytes, writeEntry } from "../../entry/json-encode.ts";
import { errorText, StreamctlError, UsageError } from "../../errors.ts";

const compress = promisify(gzip);

/**
 * A file that keeps entries before they are deleted: a line of JSON each, in the form that
 * `produce --input entries --keep-id` reads. It is appended to, never overwritten. A name that ends in
 * `.gz` is compressed; each append is a gzip member of its own, so what was appended can be read whatever
 * comes after it.
 */
export class ArchiveFile {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #compressed: boolean;
  readonly #prefixes = new Map<string, Buffer>();

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
    this.#compressed = path.endsWith(".gz");
  }

  /** Throws UsageError when the file can't be written. */
  static async open(path: string): Promise<ArchiveFile> {
    try {
      const file = await open(path, "a+");
      const archive = new ArchiveFile(file, path);
      await archive.#endLine();
      await syncFolder(dirname(path));
      return archive;
    } catch (error) {
      throw new UsageError(`can't write --archive: ${errorText(error)}`, { cause: error });
    }
  }

  /** Resolves when the entries are on the disk, and not before; then they may be deleted. */
  async append(stream: string, entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const out = new JsonBytes();
    const prefix = this.#prefix(stream);
    for (const entry of entries) {
      writeEntry(out, prefix, entry);
      out.byte(LINE_END);
    }
    const text = out.take();
    try {
      await this.#file.writeFile(this.#compressed ? await compress(text) : text);
      await this.#file.datasync();
    } catch (error) {
      throw new StreamctlError("failed", `could not write ${this.#path}: ${errorText(error)}`, {
        hint: "what is not in the archive was not deleted",
        cause: error,
      });
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #prefix(stream: string): Buffer {
    let prefix = this.#prefixes.get(stream);
    if (!prefix) this.#prefixes.set(stream, (prefix = entryPrefix(stream)));
    return prefix;
  }

  /** A run that was killed may have left half a line, which must not run into the next. */
  async #endLine(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size === 0 || this.#compressed) return;
    const { buffer } = await this.#file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer[0] !== LINE_END) await this.#file.writeFile("\n");
  }
}

const LINE_END = 0x0a;

/** A new file is there after a crash only when its folder has been written, too. Not every system allows that. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
