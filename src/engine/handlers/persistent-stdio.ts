import { closeSync, constants, openSync } from "node:fs";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { type OutputSource, type Pipe, PipeStream, SocketSource } from "./pipes.ts";
import { type Ended, exitOf } from "./process.ts";
import type { Processes } from "./processes.ts";

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
      processes.pipes.give([out, err]);
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
