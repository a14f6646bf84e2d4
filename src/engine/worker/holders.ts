import type { Streams } from "../../redis/ops/streams.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";

export interface HoldersOptions {
  readonly group: string;
  /** Order by key can't do without them. */
  readonly required: boolean;
}

/**
 * Where the holders of each stream's entries stand (see redis/ops/lua/held.ts): beside the stream, so that a group's
 * name can't make it the ledger's key. A user without the right to that key works without them: then XGROUP DESTROY
 * loses the retries of workers that are dead by then, or do not notice in time.
 */
export class Holders {
  readonly #streams: Streams;
  readonly #options: HoldersOptions;
  readonly #refused = new Set<string>();

  constructor(streams: Streams, options: HoldersOptions) {
    this.#streams = streams;
    this.#options = options;
  }

  /** Undefined where none are kept. */
  of(stream: string): string | undefined {
    if (this.#refused.has(stream)) return undefined;
    const { cluster } = this.#streams;
    const key = siblingKey(stream, `:held:${this.#options.group}`, cluster);
    return this.#options.required || sameSlot(stream, key, cluster) ? key : undefined;
  }

  /** Before anything is taken from a stream: whether they can be kept there. */
  async begin(stream: string): Promise<void> {
    this.#refused.delete(stream);
    const { group, required } = this.#options;
    const key = this.of(stream);
    if (required || key === undefined) return;
    if (!(await this.#streams.mayHold(stream, group, key))) this.#refused.add(stream);
  }
}
