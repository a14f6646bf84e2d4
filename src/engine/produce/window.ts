import { Batch, BATCH_BYTES } from "./batch.ts";

/** So much may be sent and unanswered, over all streams. */
const IN_FLIGHT_BYTES = 32 * BATCH_BYTES;
/** A batch counts as at least this much, because its buffer takes memory however little is in it. */
const LEAST_CHARGE = 16 * 1024;
/** Batches that are being filled take no more than this together, unless there are very many of them. */
const FILLING_BYTES = 8 * BATCH_BYTES;
const SMALLEST_BATCH = 4 * 1024;

/**
 * What a run may have in flight, over all its streams, in the buffers that go round for it. One caller at a
 * time waits here.
 */
export class Window {
  /** A batch of this length is full. */
  readonly batchBytes: number;
  #inFlight = 0;
  #idle: Batch[] = [];
  #wake: (() => void) | undefined;
  #tell: (() => void) | undefined;
  #hasNews = false;

  constructor(streams: number) {
    this.batchBytes = Math.max(SMALLEST_BATCH, Math.min(BATCH_BYTES, FILLING_BYTES / streams));
  }

  /** An empty batch. */
  batch(): Batch {
    return this.#idle.pop() ?? new Batch(this.batchBytes);
  }

  /** Waits until a batch may be sent. */
  async room(batch: Batch): Promise<void> {
    while (this.#inFlight > 0 && this.#inFlight + charge(batch) > IN_FLIGHT_BYTES) await this.change();
  }

  /** The batch is on its way; the function is to be called when each of its entries has its answer. */
  sent(batch: Batch): () => void {
    const bytes = charge(batch);
    this.#inFlight += bytes;
    return () => {
      this.#inFlight -= bytes;
      this.recycle(batch);
      this.#wake?.();
    };
  }

  /** Takes a batch back for another use. */
  recycle(batch: Batch): void {
    batch.clear();
    this.#idle.push(batch);
  }

  /** Resolves when a batch has been answered. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Resolves (with false) when there is something to see to: every reply has come, or entries have failed. */
  news(): Promise<false> {
    return new Promise((resolve) => {
      this.#tell = () => {
        this.#hasNews = false;
        this.#tell = undefined;
        resolve(false);
      };
      if (this.#hasNews) this.#tell();
    });
  }

  report(): void {
    this.#hasNews = true;
    this.#tell?.();
  }
}

function charge(batch: Batch): number {
  return Math.max(batch.length, LEAST_CHARGE);
}
