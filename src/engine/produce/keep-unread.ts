import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { findCut } from "../trim/cut.ts";
import { type Hold, trimTo } from "../trim/trim.ts";

/** How far a run trims its streams, in steps of their own, and never what a group still needs. */
export type KeptTrim = { readonly exact: boolean } & (
  | { readonly kind: "length"; readonly most: number }
  | { readonly kind: "age"; readonly ms: number }
);

/** A stream is trimmed after so many batches, or when this much time has passed. */
const BATCHES = 4;
const EVERY_MS = 1_000;

/**
 * Trims while entries are added, up to what groups have not been given or not acked: XADD itself knows no
 * groups. What is held makes the stream longer than was asked.
 */
export class UnreadKeeper {
  readonly #connection: Connection;
  readonly #streams: readonly StreamKey[];
  readonly #rule: KeptTrim;
  readonly #signal: AbortSignal;
  #batches = 0;
  #trimmedAt = 0;
  /** What was held at the last trim, by stream. */
  readonly holds = new Map<StreamKey, Hold>();

  constructor(connection: Connection, streams: readonly StreamKey[], rule: KeptTrim, signal: AbortSignal) {
    this.#connection = connection;
    this.#streams = streams;
    this.#rule = rule;
    this.#signal = signal;
  }

  async afterBatch(): Promise<void> {
    const due = performance.now() - this.#trimmedAt > EVERY_MS;
    if (++this.#batches >= BATCHES || due) await this.trim();
  }

  async trim(): Promise<void> {
    this.#batches = 0;
    this.#trimmedAt = performance.now();
    const { exact } = this.#rule;
    for (const stream of this.#streams) {
      const request = { stream, exact, signal: this.#signal };
      try {
        const hold = await trimTo(this.#connection, request, await this.#cut(stream));
        if (hold) this.holds.set(stream, hold);
        else this.holds.delete(stream);
      } catch (error) {
        // A partition that has got nothing yet.
        if (!(error instanceof ServerError) || error.kind !== "notFound") throw error;
      }
    }
  }

  async #cut(stream: StreamKey): Promise<EntryId | { newest: number }> {
    const rule = this.#rule;
    if (rule.kind === "length") return { newest: rule.most };
    return findCut(this.#connection, stream, rule, this.#signal);
  }
}
