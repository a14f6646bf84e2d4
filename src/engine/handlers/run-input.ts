import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { startInterval, type Timer } from "../../lib/timer.ts";
import { scratchFile } from "../../lib/scratch-file.ts";
import { type Payload, piecesOf } from "./payload.ts";
import type { PipePool } from "./pipe-pool.ts";
import type { Pipe } from "./pipes.ts";

/**
 * Larger inputs would fill the memory that files take from all; they go through a pipe while they are read.
 */
const MAX_FILE = 1024 * 1024;

/** How long a handler waits that opens its input by name when all of it has been read. */
const VISIT_MS = 50;

interface InputSettings {
  /** Where files have names for a moment, the best first: in memory where the system has such a folder. */
  readonly scratchDirs: readonly string[];
  readonly pid: number;
}

/** A handler's stdin: all of it, or the run does not begin. */
export interface RunInput {
  /** What a shell opens; undefined when it must be given the descriptor. */
  readonly path: string | undefined;
  /** What a child gets as its stdin; it closes with the input. */
  descriptor(): number | "ignore";
  /** The handler reads no more. */
  close(): void;
}

/** Rejects for want of descriptors; undefined where this system has no such pipes. */
export async function openInput(
  payload: Payload,
  settings: InputSettings,
  pipes: PipePool,
): Promise<RunInput | undefined> {
  if (Buffer.isBuffer(payload)) {
    if (payload.length === 0) return NOTHING;
    const file = payload.length <= MAX_FILE ? scratchFile(settings.scratchDirs, payload) : undefined;
    if (file !== undefined) return new InputFile(file, settings.pid);
  }
  const [pipe] = (await pipes.take(1)) ?? [];
  return pipe && new InputPipe(pipe, payload);
}

const NOTHING: RunInput = {
  path: "/dev/null",
  descriptor: () => "ignore",
  close() {},
};

/** A file with the input and without a name, that other processes of this user open through /proc. */
class InputFile implements RunInput {
  readonly #fd: number;
  readonly path: string;

  constructor(fd: number, pid: number) {
    this.#fd = fd;
    this.path = `/proc/${pid}/fd/${fd}`;
  }

  descriptor(): number {
    return this.#fd;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Writes while the handler reads. A handler that does not read, or not all, is fine. */
class InputPipe implements RunInput {
  /**
   * Little of it may be written, and the writer gone, before a shell opens it: it would wait for another
   * writer.
   */
  readonly path = undefined;
  readonly #pipe: Pipe;
  readonly #socket: Socket;
  readonly #reader: number;
  #visits: Timer | undefined;
  #closed = false;

  constructor(pipe: Pipe, payload: Payload) {
    this.#pipe = pipe;
    let writer: number | undefined;
    try {
      writer = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
      this.#reader = openSync(pipe.path, constants.O_RDONLY);
    } catch (error) {
      if (writer !== undefined) closeSync(writer);
      pipe.close();
      throw error;
    }
    this.#socket = new Socket({ fd: writer, readable: false, writable: true });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#endForLateReaders());
    void writePayload(this.#socket, payload);
  }

  /**
   * Opening a FIFO to read waits until there is a writer, also when there never will be one: `cat /dev/stdin` behind
   * another reader. A writer that comes and goes shows those who wait the end.
   */
  #endForLateReaders(): void {
    if (this.#closed) return;
    this.#visits = startInterval(VISIT_MS, () => {
      try {
        closeSync(openSync(this.#pipe.path, constants.O_WRONLY | constants.O_NONBLOCK));
      } catch {
        // No descriptor is left: the next visit may have one.
      }
    }).unref();
  }

  descriptor(): number {
    return this.#reader;
  }

  /** What is left unread goes with the pipe. */
  close(): void {
    this.#closed = true;
    this.#visits?.stop();
    closeSync(this.#reader);
    this.#socket.destroy();
    this.#pipe.close();
  }
}

/** Writes all of it, at the pace at which it is taken, and ends the stream. */
export async function writePayload(to: Writable, payload: Payload): Promise<void> {
  await writePieces(to, payload);
  to.end();
}

/** Resolves when all of it is with the stream, or the stream has been destroyed. */
export async function writePieces(to: Writable, payload: Payload): Promise<void> {
  for (const piece of piecesOf(payload)) {
    if (to.destroyed) return;
    if (!to.write(piece)) await drained(to);
  }
}

/** Resolves when a stream takes more, or has been destroyed. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
