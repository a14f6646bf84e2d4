import { StreamctlError } from "../errors.ts";
import type { Io, OutStream } from "../io.ts";
import { TerminalFilter, terminalSize } from "./terminal.ts";

export const FORMATS = ["table", "json", "ndjson", "csv", "raw"] as const;
export type Format = (typeof FORMATS)[number];
/** A table's place, where a command prints whole entries: it lays them out. */
export const PRETTY = "pretty";

/** stdout's reader has gone (`| head`): not an error, the command ends quietly. */
export class PipeClosed extends Error {
  constructor() {
    super("stdout was closed");
    this.name = "PipeClosed";
  }
}

/** What is drawn on the same terminal, and is taken away while something else is written. */
export interface Drawn {
  clear(): void;
  draw(): void;
}

/**
 * stdout: data and nothing else, in the format asked for, with its reader's backpressure. On a terminal
 * tables escape what comes from messages; of every other format all of it is made harmless here.
 */
export class Output {
  readonly stream: OutStream;
  readonly format: Format;
  readonly color: boolean;
  readonly #wide: boolean;
  readonly #drawn: Drawn | undefined;
  readonly #filter: TerminalFilter | undefined;
  #failure: StreamctlError | PipeClosed | undefined;

  /** `drawn`: what is to be taken away while data is written to the same terminal. */
  constructor(
    io: Io,
    options: { format?: Format | undefined; color: boolean; wide?: boolean; drawn?: Drawn },
  ) {
    this.stream = io.stdout;
    this.format = options.format ?? (io.stdout.isTTY ? "table" : "ndjson");
    this.color = options.color;
    this.#wide = options.wide === true;
    this.#drawn = this.terminal ? options.drawn : undefined;
    this.#filter = this.terminal && this.format !== "table" ? new TerminalFilter(this.format) : undefined;
  }

  get terminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** There is no stdout: whatever is written is lost. */
  get absent(): OutStream["absent"] {
    return this.stream.absent;
  }

  get width(): number {
    return terminalSize(this.stream).columns;
  }

  /** The columns that a table or a text has to fit into; undefined: as many as it likes (a file, a pipe, --wide). */
  get room(): number | undefined {
    return this.terminal && !this.#wide ? this.width : undefined;
  }

  /**
   * Resolves when the bytes have left the process; rejects with PipeClosed when nobody reads any more, and
   * with a StreamctlError when they can't be written (a full disk). Once it has failed it always fails.
   */
  async write(bytes: Buffer | string): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (bytes.length === 0) return;
    this.#drawn?.clear();
    try {
      await writeWhole(this.stream, this.#filter?.pass(bytes) ?? bytes);
    } catch (error) {
      this.#failure = error as StreamctlError | PipeClosed;
      throw error;
    }
    this.#drawn?.draw();
  }
}

/** The same on stdout alone, for what is said where there is no run yet, or none any more. */
export function writeWhole(stdout: OutStream, bytes: Buffer | string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    stdout.write(bytes, (error) => {
      if (!error) resolve();
      else reject(isPipeError(error) ? new PipeClosed() : cannotWrite(error));
    });
  });
}

function cannotWrite(error: Error): StreamctlError {
  return new StreamctlError("failed", `could not write to stdout: ${error.message}`, { cause: error });
}

export function isPipeError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "ECONNRESET";
}

/** Whether to colour a stream: flags, then NO_COLOR and FORCE_COLOR, then whether it is a terminal. */
export function wantsColor(stream: OutStream, env: Io["env"], flag: boolean | undefined): boolean {
  if (flag === false) return false;
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] !== undefined) return env["FORCE_COLOR"] !== "0";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}
