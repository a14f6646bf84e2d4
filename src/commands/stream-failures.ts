import type { Context } from "../context.ts";
import { ConnectionError, ExitCode, StreamctlError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";

/** Lets a command do each of several streams: what goes wrong with one does not keep the others from being done. */
export class StreamFailures {
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #failures: StreamctlError[] = [];

  constructor(context: Context, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
  }

  /** Takes what one stream failed with; throws what ends the run. */
  add(error: unknown): void {
    if (!(error instanceof StreamctlError)) throw error;
    // What has waited for the one server there is in vain need not do so again for every other stream.
    if (error instanceof ConnectionError && !this.#connection.cluster) {
      this.#tell(this.#failures);
      throw error;
    }
    this.#failures.push(error);
  }

  /** The exit code after all `total` streams; undefined when none failed. Throws the last failure when all did. */
  finish(total: number): number | undefined {
    const last = this.#failures.at(-1);
    if (last === undefined) return undefined;
    const all = this.#failures.length === total;
    this.#tell(all ? this.#failures.slice(0, -1) : this.#failures);
    if (all) throw last;
    return ExitCode.partial;
  }

  #tell(failures: readonly StreamctlError[]): void {
    for (const { message } of failures) this.#context.log.error(message);
  }
}
