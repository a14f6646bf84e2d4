import { startTimer, type Timer } from "../../lib/timer.ts";
import { OutputPump } from "./output-pump.ts";
import { type Pipe, PipeStream } from "./pipes.ts";
import type { RunOutput } from "./run-output.ts";

/** A run that takes longer has its output passed on while it runs; of others all is read at once when they end. */
const STREAM_AFTER_MS = 25;
/** Runs that fill a pipe before that would wait for it, so the next one is not let wait. */
const CHATTY_BYTES = 16 * 1024;

/** What a handler of several entries writes to fd 3. */
export interface Results {
  lines(lines: Buffer): void;
  /** A line was too long to hold, and was left out. */
  tooLong(): void;
}

/** Where goes what a run writes. */
export interface Sinks {
  readonly output: RunOutput;
  readonly results?: Results | undefined;
}

interface Sink {
  readonly write: (lines: Buffer) => Promise<void>;
  readonly onTooLong?: () => void;
}

/** The sinks of stdout, stderr and, where it counts, fd 3. */
export function sinksOf({ output, results }: Sinks): Sink[] {
  const printed: Sink[] = [
    { write: (lines) => output.stdout(lines), onTooLong: () => output.tooLong() },
    { write: (lines) => output.stderr(lines) },
  ];
  if (!results) return printed;
  const said = { write: async (lines: Buffer) => results.lines(lines), onTooLong: () => results.tooLong() };
  return [...printed, said];
}

/** This side of the pipes of one run. */
export class RunPipes {
  readonly #taps: readonly Tap[];
  readonly #timer: Timer;

  /** `pipes`: for stdout, stderr and, where it counts, fd 3. `chatty`: so was the run before it. */
  constructor(pipes: readonly Pipe[], sinks: Sinks, chatty = false) {
    this.#taps = sinksOf(sinks).map((sink, i) => new Tap(pipes[i] as Pipe, sink));
    this.#timer = startTimer(STREAM_AFTER_MS, () => this.#passOn());
    if (chatty) this.#passOn();
  }

  /**
   * After the run: passes on what is left. What other processes hold the pipes open for is waited for no
   * longer than `graceMs`. Gives the pipes to which somebody may still write.
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

  open(): PipeStream {
    if (this.#stream) return this.#stream;
    this.#stream = new PipeStream(this.pipe, this.#first);
    this.#pump = new OutputPump(this.#stream, this.#sink.write, this.#sink.onTooLong);
    return this.#stream;
  }

  /** Nothing was printed, and nothing can be any more: so it is with most runs. */
  isDone(): boolean {
    if (this.#stream) return false;
    const read = this.pipe.read();
    if (Buffer.isBuffer(read)) this.#first = read;
    return read === "closed";
  }

  /** False: somebody may still write to the pipe. */
  async finish(graceMs: number): Promise<boolean> {
    if (this.#first && !this.#stream) {
      const first = this.#first;
      const then = this.pipe.read();
      if (then === "closed") {
        await this.#sink.write(endLine(first));
        return true;
      }
      if (Buffer.isBuffer(then)) this.#first = Buffer.concat([first, then]);
    }
    const stream = this.open();
    let free = stream.drain();
    if (!free && graceMs > 0) {
      await stream.endsWithin(graceMs);
      free = stream.drain();
    }
    stream.stop();
    await this.#pump?.done;
    return free;
  }
}

const LINE_END = Buffer.from("\n");

/** Output is passed on by lines, so the last one is given its end. */
function endLine(bytes: Buffer): Buffer {
  return bytes.at(-1) === LINE_END[0] ? bytes : Buffer.concat([bytes, LINE_END]);
}
