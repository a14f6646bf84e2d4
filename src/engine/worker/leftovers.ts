import type { HandlerOutput } from "./handler.ts";
import { OutputPump } from "./output-pump.ts";
import { type Pipe, PipeStream } from "./pipes.ts";

const KINDS = ["stdout", "stderr"] as const;

/** Each costs two descriptors; past that many the oldest are closed to whoever writes there. */
const MOST = 64;

/**
 * The pipes of runs that are over, but left processes behind that may still write to them. That belongs to
 * no entry any more: it is passed on, and nothing else.
 */
export class Leftovers {
  readonly #output: HandlerOutput;
  readonly #streams = new Set<PipeStream>();

  constructor(output: HandlerOutput) {
    this.#output = output;
  }

  /** Takes over a run's `index`th pipe: its stdout, its stderr, or its fd 3, on which nothing counts any more. */
  take(pipe: Pipe, index: number): void {
    const kind = KINDS[index];
    const stream = new PipeStream(pipe);
    this.#streams.add(stream);
    const pump = new OutputPump(stream, async (lines) => {
      if (kind) await this.#output[kind](lines);
    });
    void pump.done.then(() => {
      this.#streams.delete(stream);
      pipe.close();
    });
    const [oldest] = this.#streams;
    if (this.#streams.size > MOST) oldest?.destroy();
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}
