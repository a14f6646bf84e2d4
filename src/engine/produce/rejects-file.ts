import { type FileHandle, open } from "node:fs/promises";
import { errorText, StreamctlError, UsageError } from "../../errors.ts";

/** A file to which rejected lines are appended as they were. `flush` between batches bounds what is held. */
export class RejectsFile {
  readonly #file: FileHandle;
  readonly #path: string;
  #waiting: Buffer[] = [];

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Throws UsageError when the file can't be written. */
  static async open(path: string): Promise<RejectsFile> {
    try {
      return new RejectsFile(await open(path, "a"), path);
    } catch (error) {
      throw new UsageError(`can't write --rejects: ${errorText(error)}`, { cause: error });
    }
  }

  /** Takes a copy of the line. */
  add(line: Uint8Array): void {
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
