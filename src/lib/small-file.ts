import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { sleep } from "./timer.ts";

/** How long a pipe that nothing writes to is waited for, and one whose writer says nothing: it may ask a person. */
const NO_WRITER_MS = 5_000;
const SILENT_WRITER_MS = 300_000;
const LOOK_MS = 20;

const LIMIT = 1024 * 1024;

export interface SmallFile {
  readonly text: string;
  /** It stays where it is, and others on this machine may read it. */
  readonly worldReadable: boolean;
}

/**
 * Reads a text that a person wrote: a configuration, a password, a certificate; without a byte order mark. It never
 * waits for ever, as opening a pipe without a writer would, and never takes more than 1 MiB, as /dev/zero would. A pipe,
 * such as bash's `<(command)`, is read to its end. Rejects with the system's error, or with one that says why.
 */
export async function readSmallFile(path: string, signal?: AbortSignal): Promise<SmallFile> {
  // Without O_NONBLOCK opening a pipe blocks, and nothing can end that.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(fd);
    if (stats.isDirectory()) throw new Error("it is a directory");
    const bytes = await readAll(fd, stats.isFIFO(), signal);
    return { text: decode(bytes), worldReadable: stats.isFile() && (stats.mode & 0o004) !== 0 };
  } finally {
    closeSync(fd);
  }
}

async function readAll(fd: number, pipe: boolean, signal: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (const start = performance.now(); ;) {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const read = readSome(fd, chunk);
    if (typeof read === "number" && read > 0) {
      chunks.push(chunk.subarray(0, read));
      size += read;
      if (size > LIMIT) throw new Error(`it is larger than ${LIMIT} bytes`);
      continue;
    }
    if (read === 0 && (size > 0 || !pipe)) return Buffer.concat(chunks);
    if (!pipe) throw new Error("it is neither a file nor a pipe");
    if (signal?.aborted || performance.now() - start > (read === 0 ? NO_WRITER_MS : SILENT_WRITER_MS))
      throw new Error("nothing came through this pipe");
    await sleep(LOOK_MS, signal);
  }
}

/** 0 at the end of a file, and at a pipe that has no writer yet. */
function readSome(fd: number, chunk: Buffer): number | "not yet" {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "not yet";
    throw error;
  }
}

function decode(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString("latin1");
  if (mark === "\xff\xfe" || mark === "\xfe\xff") throw new Error("it is UTF-16: save it as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8");
  }
}
