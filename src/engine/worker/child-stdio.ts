import { closeSync } from "node:fs";
import type { ChildProcess, StdioOptions } from "node:child_process";
import type { Readable } from "node:stream";
import { OutputPump } from "./output-pump.ts";
import type { Payload } from "./payload.ts";
import type { Pipe } from "./pipes.ts";
import type { Processes } from "./processes.ts";
import { type RunInput, writePayload } from "./run-input.ts";
import { RunPipes, type Sinks, sinksOf } from "./run-pipes.ts";

/** How long what a run left behind may go on saying something that still belongs to its entry. */
const GRACE_MS = 250;

/** What a process of one run reads and writes. */
export interface ChildStdio {
  readonly stdio: StdioOptions;
  /** The process has its ends of it, or could not be started. */
  started(child: ChildProcess): void;
  /** After its exit: passes on what it still has to say, and releases everything. */
  finish(): Promise<void>;
}

/** Rejects for want of descriptors. */
export async function childStdio(processes: Processes, payload: Payload, sinks: Sinks): Promise<ChildStdio> {
  const pipes = await processes.pipes.take(sinks.results ? 3 : 2);
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

class PipeStdio implements ChildStdio {
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
class SocketStdio implements ChildStdio {
  readonly #payload: Payload;
  readonly #sinks: ReturnType<typeof sinksOf>;
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
      ({ write, onTooLong }, i) => new OutputPump(child.stdio[i + 1] as Readable, write, onTooLong),
    );
    // A handler that does not read its stdin, or not all of it, is fine.
    child.stdin?.on("error", () => {});
    if (child.stdin) void writePayload(child.stdin, this.#payload);
  }

  async finish(): Promise<void> {
    await Promise.all(this.#pumps.map((pump) => pump.finish()));
    this.#child?.stdin?.destroy();
  }
}
