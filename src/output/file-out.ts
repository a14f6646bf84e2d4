import { EventEmitter } from "node:events";
import { fstatSync, readFileSync, statSync, writeSync } from "node:fs";
import type { OutStream, Written } from "../io.ts";
import { PipeOut } from "./pipe-out.ts";

/**
 * A file or a device as a stream that takes every byte of a chunk, or fails, for good. Node's own stream for it
 * takes a short write for a whole one, and a short write is how a disk that fills up begins.
 */
export class FileOut extends EventEmitter implements OutStream {
  readonly writableLength = 0;
  absent: OutStream["absent"];
  readonly #fd: number;
  #failure: Error | undefined;

  constructor(fd: number) {
    super();
    this.#fd = fd;
  }

  write(text: Buffer | string, done?: Written): boolean {
    const failedBefore = this.#failure !== undefined;
    if (!failedBefore) this.#writeAll(typeof text === "string" ? Buffer.from(text) : text);
    queueMicrotask(() => {
      done?.(this.#failure);
      if (this.#failure && !failedBefore) this.emit("error", this.#failure);
    });
    return true;
  }

  #writeAll(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.#failure = error as Error;
    }
  }
}

const STDOUT = 1;
const STDERR = 2;

/** This process' stdout or stderr. `nodes` makes Node's stream for it, for terminals and what takes nothing now. */
export function openOut(
  fd: typeof STDOUT | typeof STDERR,
  { isTerminal, nodes }: { isTerminal: boolean; nodes: () => OutStream },
): OutStream {
  const stats = fstatSync(fd);
  if (isTerminal) return nodes();
  if (!stats.isFile() && !stats.isCharacterDevice())
    return new PipeOut(stats.isFIFO() ? fd : undefined, nodes);
  const out = new FileOut(fd);
  if (fd === STDOUT && isAbsent(STDOUT)) out.absent = isAbsent(STDERR) ? "with stderr" : "alone";
  return out;
}

/**
 * Whether the process was started without this descriptor (`>&-`). Node then opens /dev/null in its place,
 * for reading and writing, which a shell's `> /dev/null` does not do.
 */
function isAbsent(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    if (!stats.isCharacterDevice() || statSync("/dev/null").rdev !== stats.rdev) return false;
    const [, flags = ""] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
    return (Number.parseInt(flags, 8) & ACCESS_MODE) === READ_AND_WRITE;
  } catch {
    // A system without /proc does not tell.
    return false;
  }
}

const ACCESS_MODE = 3;
const READ_AND_WRITE = 2;
