import type { StreamKey } from "../../entry/names.ts";
import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import { wakeUntil } from "../group-reader/ends.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import { Turns } from "../group-reader/turns.ts";
import type { Ordering } from "./ordering.ts";
import type { Delivery } from "./types.ts";

/** A read waits no longer than this at once, so that retries, take-overs, a paused group and a dead peer are noticed. */
export const MAX_BLOCK_MS = 500;
/** How much longer than its BLOCK a read may take once the worker is to stop. */
const ARRIVAL_MS = 3_000;

/** Reads entries that were never delivered; `Turns` says from which streams. */
export class Fetcher {
  readonly #reader: BlockingReader;
  readonly #ordering: Ordering;
  readonly #turns: Turns;
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();

  constructor(
    reader: BlockingReader,
    groupState: Pick<GroupState, "open">,
    cluster: boolean,
    ordering: Ordering,
  ) {
    this.#reader = reader;
    this.#ordering = ordering;
    const streams = (): readonly StreamKey[] => groupState.open;
    this.#turns = new Turns({ streams, cluster, waitsApart: ordering.waitsApart });
  }

  /** Up to `count` new entries, from every stream; waits up to `waitMs` when there are none. */
  async read(count: number, waitMs: number): Promise<Delivery[]> {
    const found: Delivery[] = [];
    this.#turns.lookAnew();
    while (found.length < count) {
      if (this.#turns.allLooked && (found.length > 0 || waitMs === 0)) break;
      const left = count - found.length;
      const share = Math.ceil(left / Math.max(1, this.#turns.looksLeft));
      const turn = this.#turns.next(share, left, waitMs);
      if (!turn) {
        await sleep(waitMs, this.#stopping.signal);
        break;
      }
      found.push(...(await this.#ordering.read(this.#reader, turn)));
      if (turn.blockMs > 0) break;
      this.#turns.looked(turn);
    }
    return found;
  }

  /** Ends a read that waits. Where this user may not do that, it ends by itself within its BLOCK. */
  wake(): Promise<void> {
    return this.#reader.wake();
  }

  /**
   * The worker is to stop: a read that waits is woken. A large one that is still on its way gets a moment; what it was to
   * bring is handed back at the end.
   */
  async stop(kill: AbortSignal): Promise<void> {
    this.#stopping.abort();
    const over = AbortSignal.any([this.#ended.signal, kill]);
    await wakeUntil(over, MAX_BLOCK_MS + ARRIVAL_MS, () => this.wake());
    // Ends a read whatever it is bringing, and every later one: what it took stays pending for this consumer.
    if (!this.#ended.signal.aborted) this.#reader.close();
  }

  /** Nothing is read any more. */
  ended(): void {
    this.#ended.abort();
  }
}
