import { sleep } from "../lib/timer.ts";

/** What is unknown is looked for again soon. */
const RETRY_MS = 1_000;
/** One look that lasts 3 s makes the next wait 30 s. */
const LOOKING_SHARE = 1 / 10;

export interface PollOptions<T> {
  /** What has been seen already; then the first look comes after `everyMs`. */
  readonly first?: T | undefined;
  readonly look: (signal: AbortSignal) => Promise<T>;
  readonly everyMs: number;
  /** Looking may take no more than this part of the time (default: a tenth). */
  readonly share?: number | undefined;
  /** Hears of every look that failed. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Hears of every look that succeeded. */
  readonly onSuccess?: (() => void) | undefined;
}

/**
 * Looks at something again and again, one look at a time, and keeps what was seen last. A failed look
 * makes that unknown: what was true before may be wrong by now.
 */
export class Poll<T> {
  readonly #stopping = new AbortController();
  #latest: T | undefined;
  #since: number | undefined;

  /** Starts looking; `stop()` it when done. */
  constructor(options: PollOptions<T>) {
    this.#latest = options.first;
    void this.#run(options);
  }

  /** What the last look saw; undefined before the first, and after one that failed. */
  get latest(): T | undefined {
    return this.#latest;
  }

  /** How long the look of the moment has taken; 0 between looks. */
  get lookingMs(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since;
  }

  /** No further look; one that is under way ends by itself, or with its connection. */
  stop(): void {
    this.#stopping.abort();
  }

  async #run({
    first,
    look,
    everyMs,
    share = LOOKING_SHARE,
    onFailure,
    onSuccess,
  }: PollOptions<T>): Promise<void> {
    const { signal } = this.#stopping;
    if (first !== undefined) await sleep(everyMs, signal);
    while (!signal.aborted) {
      const startedAt = (this.#since = performance.now());
      let waitMs: number;
      try {
        const seen = await look(signal);
        if (signal.aborted) return;
        this.#latest = seen;
        onSuccess?.();
        waitMs = Math.max(everyMs, (performance.now() - startedAt) / share);
      } catch (error) {
        if (signal.aborted) return;
        this.#latest = undefined;
        onFailure?.(error);
        waitMs = Math.min(everyMs, RETRY_MS);
      }
      this.#since = undefined;
      await sleep(waitMs, signal);
    }
  }
}
