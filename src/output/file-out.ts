import { fstatSync, readFileSync, statSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import type { OutStream } from "../io.ts";

/**
 * A file or a device as a stream that takes every byte of a chunk, or fails. Node's own stream for stdout on
 * a file takes a short write for a whole one, and a short write is how a disk that fills up begins.
 */
export class FileOut extends Writable {
  readonly #fd: number;

  constructor(fd: number) {
    super();
    this.#fd = fd;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    try {
      for (let at = 0; at < chunk.length;) at += writeSync(this.#fd, chunk, at);
    } catch (error) {
      return done(error as Error);
    }
    done();
  }
}

const STDOUT = 1;
const STDERR = 2;

/** This process' stdout. `nodes` makes Node's stream for it, for terminals, pipes and sockets. */
export function openStdout(nodes: () => OutStream): OutStream {
  const stats = fstatSync(STDOUT);
  if (!stats.isFile() && (!stats.isCharacterDevice() || nodes().isTTY)) return nodes();
  const absent = isAbsent(STDOUT) ? (isAbsent(STDERR) ? "with stderr" : "alone") : undefined;
  return Object.assign(new FileOut(STDOUT), { absent } as const);
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
