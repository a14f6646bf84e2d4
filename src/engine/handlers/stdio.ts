import type { ChildProcess, StdioOptions } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { startTimer, type Timer } from "../../lib/timer.ts";
import { GRACE_MS, OutputPump, type OutputSource, type Pipe, PipeStream, SocketSource } from "./pipes.ts";
import type { Payload } from "./payload.ts";
import { type Ended, exitOf } from "./process.ts";
import type { Processes } from "./processes.ts";
import { type RunInput, writePayload } from "./run-input.ts";
import { type Sink, type Sinks, sinksOf } from "./run.ts";

/**
 * A run that takes longer has its output passed on while it runs; of others all is read at once when they
 * end.
 */
const STREAM_AFTER_MS = 25;
/** Runs that fill a pipe before that would wait for it, so the next one is not let wait. */
const CHATTY_BYTES = 16 * 1024;

/** This side of the pipes of one run. */
export class RunPipes {
  readonly #taps: readonly Tap[];
  readonly #timer: Timer;

  /** `pipes`: for stdout, stderr and fd 3. `chatty`: so was the run before it. */
  constructor(pipes: readonly Pipe[], sinks: Sinks, chatty = false) {
    this.#taps = sinksOf(sinks).map((sink, i) => new Tap(pipes[i] as Pipe, sink));
    this.#timer = startTimer(STREAM_AFTER_MS, () => this.#passOn());
    if (chatty) this.#passOn();
  }

  /**
   * After the run: passes on what is left. What other processes hold the pipes open for is waited for no
   * longer than `graceMs`. Gives the pipes that a process may still write to.
   */
  async finish(graceMs: number): Promise<readonly Pipe[]> {
    this.#timer.stop();
    const open = this.#taps.filter((tap) => !tap.isDone());
    if (open.length === 0) return NONE;
    const free = await Promise.all(open.map((tap) => tap.finish(graceMs)));
    return open.filter((_, i) => !free[i]).map(({ pipe }) => pipe);
  }

  get chatty(): boolean {
    return this.#taps.some((tap) => tap.size >= CHATTY_BYTES);
  }

  #passOn(): void {
    for (const tap of this.#taps) tap.open();
  }
}

const NONE: readonly Pipe[] = [];

class Tap {
  readonly pipe: Pipe;
  readonly #sink: Sink;
  #first: Buffer | undefined;
  #stream: PipeStream | undefined;
  #pump: OutputPump | undefined;

  constructor(pipe: Pipe, sink: Sink) {
    this.pipe = pipe;
    this.#sink = sink;
  }

  get size(): number {
    return this.#stream?.size ?? this.#first?.length ?? 0;
  }

  open(): OutputPump {
    this.#stream ??= new PipeStream(this.pipe, this.#first);
    return (this.#pump ??= new OutputPump(this.#stream, this.#sink.write, this.#sink.onTooLong));
  }

  /** Nothing was printed, and nothing can be any more: so it is with most runs. */
  isDone(): boolean {
    if (this.#stream) return false;
    const read = this.pipe.read();
    if (Buffer.isBuffer(read)) this.#first = read;
    return read === "closed";
  }

  /** False: a process may still write to the pipe. */
  async finish(graceMs: number): Promise<boolean> {
    const waitMs = this.#sink.untilExit === true ? 0 : graceMs;
    if (this.#first && !this.#stream) {
      const first = this.#first;
      const then = this.pipe.read();
      if (then === "closed") {
        await this.#sink.write(endLine(first));
        return true;
      }
      if (Buffer.isBuffer(then)) this.#first = Buffer.concat([first, then]);
    }
    return this.open().finish(waitMs);
  }
}

const LINE_END = Buffer.from("\n");

/** Output is passed on by lines, so the last one is given its end. */
function endLine(bytes: Buffer): Buffer {
  return bytes.at(-1) === LINE_END[0] ? bytes : Buffer.concat([bytes, LINE_END]);
}

/** What a process of one run reads and writes. */
export interface RunStdio {
  readonly stdio: StdioOptions;
  /** The process has its ends of it, or could not be started. */
  started(child: ChildProcess): void;
  /** After its exit: passes on what it still has to say, and releases everything. */
  finish(): Promise<void>;
}

/** Rejects for want of descriptors. */
export async function runStdio(processes: Processes, payload: Payload, sinks: Sinks): Promise<RunStdio> {
  const pipes = await processes.pipes.take(3);
  if (!pipes) return new SocketStdio(payload, sinks);
  const writers: number[] = [];
  let input: RunInput | undefined;
  try {
    for (const pipe of pipes) writers.push(pipe.openWriter());
    input = await processes.input(payload);
    if (!input) throw new Error("there are pipes for output and none for input");
    return new PipeStdio(processes, input, pipes, writers, sinks);
  } catch (error) {
    input?.close();
    for (const fd of writers) closeSync(fd);
    processes.pipes.give(pipes);
    throw error;
  }
}

class PipeStdio implements RunStdio {
  readonly #processes: Processes;
  readonly #input: RunInput;
  readonly #pipes: readonly Pipe[];
  readonly #writers: number[];
  readonly #output: RunPipes;
  readonly stdio: StdioOptions;

  constructor(
    processes: Processes,
    input: RunInput,
    pipes: readonly Pipe[],
    writers: number[],
    sinks: Sinks,
  ) {
    this.#processes = processes;
    this.#input = input;
    this.#pipes = pipes;
    this.#writers = writers;
    this.stdio = [input.descriptor(), ...writers];
    this.#output = new RunPipes(pipes, sinks);
  }

  started(): void {
    for (const fd of this.#writers.splice(0)) closeSync(fd);
  }

  async finish(): Promise<void> {
    this.started();
    this.#input.close();
    const held = await this.#output.finish(GRACE_MS);
    const { pipes, leftovers } = this.#processes;
    for (const [i, pipe] of this.#pipes.entries()) {
      if (held.includes(pipe)) leftovers.take(pipe, i);
      else pipes.give([pipe]);
    }
  }
}

/** What Node gives a child by itself, for systems without /proc. */
class SocketStdio implements RunStdio {
  readonly #payload: Payload;
  readonly #sinks: readonly Sink[];
  readonly stdio: StdioOptions;
  #pumps: readonly OutputPump[] = [];
  #child: ChildProcess | undefined;

  constructor(payload: Payload, sinks: Sinks) {
    this.#payload = payload;
    this.#sinks = sinksOf(sinks);
    const isNothing = Buffer.isBuffer(payload) && payload.length === 0;
    this.stdio = [isNothing ? "ignore" : "pipe", ...this.#sinks.map(() => "pipe" as const)];
  }

  started(child: ChildProcess): void {
    if (child.pid === undefined) return;
    this.#child = child;
    this.#pumps = this.#sinks.map(
      ({ write, onTooLong }, i) =>
        new OutputPump(new SocketSource(child.stdio[i + 1] as Socket), write, onTooLong),
    );
    // A handler that does not read its stdin, or not all of it, is fine.
    child.stdin?.on("error", () => {});
    if (child.stdin) void writePayload(child.stdin, this.#payload);
  }

  async finish(): Promise<void> {
    await Promise.all(this.#pumps.map((pump) => pump.finish(GRACE_MS)));
    this.#child?.stdin?.destroy();
  }
}

/** This side's ends of a persistent process' stdin, stdout and stderr. */
export interface PersistentStdio {
  readonly stdin: Writable;
  readonly stdout: OutputSource;
  readonly stderr: OutputSource;
}

export interface StartedProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Ended>;
  /** Undefined when it could not be started. */
  readonly ends: PersistentStdio | undefined;
}

/** Starts a process with pipes of its own, which `start` gives it. Rejects for want of descriptors. */
export async function startWithStdio(
  processes: Processes,
  start: (stdio: StdioOptions) => ChildProcess,
): Promise<StartedProcess> {
  const pipes = await processes.pipes.take(3);
  if (!pipes) return onSockets(start(["pipe", "pipe", "pipe"]));
  const [input, out, err] = pipes as [Pipe, Pipe, Pipe];
  const theirs: number[] = [];
  let ours: number | undefined;
  try {
    ours = openSync(input.path, constants.O_WRONLY | constants.O_NONBLOCK);
    theirs.push(openSync(input.path, constants.O_RDONLY), out.openWriter(), err.openWriter());
    const child = start(theirs);
    const exited = exitOf(child);
    if (child.pid === undefined) return { child, exited, ends: undefined };
    const stdin = new Socket({ fd: ours, readable: false, writable: true });
    ours = undefined;
    return { child, exited, ends: { stdin, stdout: streamOf(out), stderr: streamOf(err) } };
  } finally {
    for (const fd of theirs) closeSync(fd);
    if (ours !== undefined) {
      closeSync(ours);
      // It could not be started, perhaps for want of what pipes that wait for further ones take.
      processes.pipes.give([out, err]);
      processes.pipes.shrink();
    }
    // The process alone reads it, so that its end is seen at the next write.
    input.close();
  }
}

function onSockets(child: ChildProcess): StartedProcess {
  const { pid, stdin, stdout, stderr } = child;
  const ends =
    pid !== undefined && stdin && stdout && stderr
      ? { stdin, stdout: sourceOf(stdout), stderr: sourceOf(stderr) }
      : undefined;
  return { child, exited: exitOf(child), ends };
}

/** The pipe goes with the stream. */
function streamOf(pipe: Pipe): PipeStream {
  return new PipeStream(pipe).once("close", () => pipe.close());
}

function sourceOf(stream: Readable): SocketSource {
  return new SocketSource(stream as Socket);
}
