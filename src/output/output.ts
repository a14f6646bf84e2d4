import { StreamctlError } from "../errors.ts";
import type { Io, OutStream } from "../io.ts";

export const FORMATS = ["table", "json", "ndjson", "csv", "raw"] as const;
export type Format = (typeof FORMATS)[number];

/** What -o takes for one command alone, which then prints by itself: format → command. */
export const OWN_FORMATS: Readonly<Record<string, string>> = { prometheus: "lag" };

/** stdout's reader has gone (`| head`): not an error, the command ends quietly. */
export class PipeClosed extends Error {
  constructor() {
    super("stdout was closed");
    this.name = "PipeClosed";
  }
}

/** stdout: data and nothing else, in the format asked for, with its reader's backpressure. */
export class Output {
  readonly stream: OutStream;
  readonly format: Format;
  readonly color: boolean;
  #closed = false;

  constructor(io: Io, options: { format?: Format | undefined; color: boolean }) {
    this.stream = io.stdout;
    this.format = options.format ?? (io.stdout.isTTY ? "table" : "ndjson");
    this.color = options.color;
  }

  get terminal(): boolean {
    return this.stream.isTTY === true;
  }

  get width(): number {
    return this.stream.columns ?? 80;
  }

  /**
   * Resolves when the bytes have left the process; rejects with PipeClosed when nobody reads any more, and
   * with a StreamctlError when they can't be written (a full disk).
   */
  async write(bytes: Buffer | string): Promise<void> {
    if (this.#closed) throw new PipeClosed();
    if (bytes.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.stream.write(bytes, (error) => {
        if (!error) return resolve();
        this.#closed = true;
        reject(isPipeError(error) ? new PipeClosed() : cannotWrite(error));
      });
    });
  }
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
