import { sleep } from "../../lib/timer.ts";
import { Pace } from "../../lib/rate.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import type { Account } from "./account.ts";
import type { Batch } from "./batch.ts";
import type { MaxAge } from "./max-age.ts";
import type { Reader } from "./reader.ts";
import type { Sender } from "./sender.ts";
import type { LagGate } from "./wait-lag.ts";
import type { Window } from "./window.ts";

/** One stream of a run; a run without partitions has one. */
export interface Target {
  readonly encoder: EntryEncoder;
  readonly sender: Sender;
}

/** Why the filling of batches ended: that stream's is full, the rate or a group's lag asks for a pause, input is needed. */
export type Filled = number | "paced" | "held" | "dry";

export interface BatcherParts {
  readonly reader: Reader;
  readonly targets: readonly Target[];
  readonly window: Window;
  readonly account: Account;
  /** Entries per second. */
  readonly rate: number | undefined;
  readonly gate: LagGate | undefined;
  readonly maxAge: MaxAge | undefined;
}

/** Takes entries from the reader into a batch per stream, and batches to their senders. */
export class Batcher {
  readonly #parts: BatcherParts;
  readonly #batches: Batch[];
  readonly #pace: Pace | undefined;
  /** Where the entry in the reader's draft belongs that had to wait for the group. */
  #held: number | undefined;

  constructor(parts: BatcherParts) {
    this.#parts = parts;
    this.#batches = parts.targets.map(() => parts.window.batch());
    this.#pace = parts.rate === undefined ? undefined : new Pace(parts.rate);
  }

  /** Reads entries into their batches until something is to be done first. */
  fill(): Filled {
    const { reader, targets, window, account, gate, maxAge } = this.#parts;
    maxAge?.refresh();
    while (!account.ended) {
      const at = this.#held ?? reader.next();
      if (at === "bad") continue;
      if (at === "dry") return at;
      this.#held = gate?.take() === false ? at : undefined;
      if (this.#held !== undefined) return "held";
      account.read(reader.line);
      const batch = this.#batches[at] as Batch;
      batch.add((targets[at] as Target).encoder, reader.draft, reader.line, reader.raw());
      if (this.#pace?.take() === false) return "paced";
      if (batch.length >= window.batchBytes) return at;
    }
    return "paced";
  }

  /** Hands over what was filled: the batch that is full, or all of them. */
  async flush(filled: Filled): Promise<void> {
    if (typeof filled === "number") return this.#send(filled);
    for (const at of this.#batches.keys()) await this.#send(at);
  }

  /** Waits until the next entry is due. */
  async pause(signal: AbortSignal): Promise<void> {
    const waitMs = this.#pace?.waitMs() ?? 0;
    if (waitMs > 0) await sleep(waitMs, signal);
  }

  async #send(at: number): Promise<void> {
    const batch = this.#batches[at] as Batch;
    if (batch.count === 0) return;
    this.#batches[at] = this.#parts.window.batch();
    await (this.#parts.targets[at] as Target).sender.send(batch);
  }
}
