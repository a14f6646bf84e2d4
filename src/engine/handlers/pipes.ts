import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { Readable } from "node:stream";
import { LineCutter } from "../../lib/lines.ts";
import { startTimer, type Timer, waitAtMost } from "../../lib/timer.ts";
import { MAX_PRINTED } from "./handler.ts";

/**
 * What Node gives a child as a pipe is a pair of sockets, which /dev/stdout and its like can't open. A FIFO
 * they can.
 */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const CHUNK = Buffer.allocUnsafe(64 * 1024);
/** A pipe never holds more than its owner may ask the kernel for; who writes on and on is cut off there. */
const MAX_REST = 1024 * 1024;
/** Until there is a descriptor to read a pipe with, its handler waits. */
const ATTACH_AGAIN_MS = 100;

/**
 * A pipe without a name. This process keeps one reading end open; everything else opens it by its path in
 * /proc.
 */
export class Pipe {
  readonly fd: number;
  readonly path: string;
  #open = true;

  constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
  }

  /** An end to write to, for a child. */
  openWriter(): number {
    return openSync(this.path, constants.O_WRONLY);
  }

  openReader(): number {
    return openSync(this.path, READ);
  }

  /** What is in it now; `empty` while a process may still write, `closed` when none can. */
  read(): Buffer | "empty" | "closed" {
    try {
      const length = readSync(this.fd, CHUNK, 0, CHUNK.length, null);
      return length === 0 ? "closed" : Buffer.from(CHUNK.subarray(0, length));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "empty";
      throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.fd);
  }
}

/** What is written to one pipe of a handler. */
export interface OutputSource {
  readonly stream: Readable;
  /**
   * After the handler's exit: ends the stream with all that has been written. What other processes hold the
   * pipe open for is waited for no longer than `graceMs`. False: they may still write to it.
   */
  finish(graceMs: number): Promise<boolean>;
}

/**
 * What is written to a pipe, as a stream. It ends when no process can write any more, or with `finish`; the
 * pipe itself stays open for further use.
 */
export class PipeStream extends Readable implements OutputSource {
  readonly stream = this;
  readonly #pipe: Pipe;
  /** How much has come. */
  size = 0;
  #socket: Socket | undefined;
  #again: Timer | undefined;
  #over = false;
  #onOver: (() => void) | undefined;

  constructor(pipe: Pipe, first?: Buffer) {
    super();
    this.#pipe = pipe;
    if (first) this.#take(first);
  }

  async finish(graceMs: number): Promise<boolean> {
    let free = this.#drain();
    if (!free && graceMs > 0) {
      await this.#endsWithin(graceMs);
      free = this.#drain();
    }
    this.#stop();
    return free;
  }

  override _read(): void {
    if (this.#over || this.#again) return;
    if (this.#socket) this.#socket.resume();
    else this.#attach();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#detach();
    this.#over = true;
    done(error);
  }

  /** Takes what is in the pipe now. False: a process may still write to it. */
  #drain(): boolean {
    this.#detach();
    for (const enough = this.size + MAX_REST; !this.#over && this.size < enough;) {
      const chunk = this.#pipe.read();
      if (chunk === "empty") return false;
      if (chunk === "closed") this.#stop();
      else this.#take(chunk);
    }
    return this.#over;
  }

  /** Goes on reading, until no process can write any more, for no longer than that. */
  async #endsWithin(ms: number): Promise<void> {
    this.#attach();
    await waitAtMost(ms, new Promise<void>((resolve) => (this.#onOver = resolve)));
    this.#onOver = undefined;
  }

  /** Ends here, also when processes may still write. */
  #stop(): void {
    this.#detach();
    if (this.#over) return;
    this.#over = true;
    this.push(null);
    this.#onOver?.();
  }

  #attach(): void {
    let fd: number;
    try {
      fd = this.#pipe.openReader();
    } catch {
      this.#again = startTimer(ATTACH_AGAIN_MS, () => {
        this.#again = undefined;
        this._read();
      });
      return;
    }
    const socket = new Socket({ fd, readable: true, writable: false });
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (this.#socket === socket && !this.#take(chunk)) socket.pause();
    });
    socket.on("end", () => {
      if (this.#socket === socket) this.#stop();
    });
    socket.on("error", () => {
      if (this.#socket === socket) this.#stop();
    });
  }

  #take(chunk: Buffer): boolean {
    this.size += chunk.length;
    return this.push(chunk);
  }

  #detach(): void {
    this.#again?.stop();
    this.#again = undefined;
    const socket = this.#socket;
    if (!socket) return;
    // While its reader is slow, it holds what came last; reading emits that.
    while (!this.#over && socket.read() !== null);
    this.#socket = undefined;
    socket.destroy();
  }
}

/** What comes over Node's own pipe, a socket, which can't be asked what is left in it or who may still write. */
export class SocketSource implements OutputSource {
  readonly stream: Socket;

  constructor(socket: Socket) {
    this.stream = socket;
  }

  async finish(graceMs: number): Promise<boolean> {
    const { stream } = this;
    if (stream.closed) return true;
    const closed = new Promise((resolve) => stream.once("close", resolve));
    do {
      await waitAtMost(graceMs, closed);
      // After a pause of this process the timer comes first, then what is there to read.
      await new Promise((resolve) => setImmediate(resolve));
    } while (stream.readableLength > 0);
    stream.destroy();
    return true;
  }
}

/** How long what a handler left behind may go on saying something that still belongs to its entry. */
export const GRACE_MS = 250;

/** Passes one pipe of a handler on, by whole lines, at the pace at which they are taken. */
export class OutputPump {
  readonly #source: OutputSource;
  readonly #write: (lines: Buffer) => Promise<void>;
  readonly #cutter: LineCutter;
  /** All has been passed on, or the stream was given up. Never rejects. */
  readonly done: Promise<void>;

  /**
   * `onTooLong` is called for a line too long to hold, which is left out; without it such lines come in
   * pieces.
   */
  constructor(source: OutputSource, write: (lines: Buffer) => Promise<void>, onTooLong?: () => void) {
    this.#source = source;
    this.#write = write;
    this.#cutter = new LineCutter({ maxLine: MAX_PRINTED, onTooLong });
    this.done = this.#run().catch(() => {});
  }

  /** As OutputSource.finish does; resolves when what has been written has been passed on. */
  async finish(graceMs: number): Promise<boolean> {
    const free = await this.#source.finish(graceMs);
    await this.done;
    return free;
  }

  async #run(): Promise<void> {
    try {
      for await (const chunk of this.#source.stream as AsyncIterable<Buffer>) {
        const lines = this.#cutter.push(chunk);
        if (lines) await this.#write(lines);
      }
    } catch {
      // It was given up: what has come of its last line is passed on all the same.
    }
    const rest = this.#cutter.end();
    if (rest) await this.#write(rest);
  }
}
