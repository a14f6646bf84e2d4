import { type FileHandle, open } from "node:fs/promises";
import { errorText, StreamctlError, UsageError } from "../errors.ts";

/** A file to which rejected lines are appended as they were. `flush` between batches bounds what is held. */
export class RejectsFile {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #head: () => Uint8Array | undefined;
  #isEmpty: boolean;
  #waiting: Buffer[] = [];

  private constructor(file: FileHandle, path: string, isEmpty: boolean, head: () => Uint8Array | undefined) {
    this.#file = file;
    this.#path = path;
    this.#isEmpty = isEmpty;
    this.#head = head;
  }

  /** Throws UsageError when the file can't be written. `head`: the first line of a new file, if it needs one. */
  static async open(path: string, head: () => Uint8Array | undefined): Promise<RejectsFile> {
    try {
      const file = await open(path, "a");
      return new RejectsFile(file, path, (await file.stat()).size === 0, head);
    } catch (error) {
      throw new UsageError(`can't write --rejects: ${errorText(error)}`, { cause: error });
    }
  }

  /** Takes a copy of the line. */
  add(line: Uint8Array): void {
    const head = this.#isEmpty ? this.#head() : undefined;
    this.#isEmpty = false;
    if (head) this.#waiting.push(Buffer.from(head), NEWLINE);
    this.#waiting.push(Buffer.from(line), NEWLINE);
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.concat(this.#waiting.splice(0));
    try {
      await this.#file.writeFile(bytes);
    } catch (error) {
      throw new StreamctlError("failed", `could not write ${this.#path}: ${errorText(error)}`, {
        hint: "rejected lines are missing there",
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }
}

const NEWLINE = Buffer.from("\n");
