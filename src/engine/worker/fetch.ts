import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import { bySlot } from "../../redis/keys.ts";
import type { Ordering } from "./ordering.ts";
import { Rotation } from "../../lib/rotation.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** A read waits no longer than this at once, so that retries, take-overs and a dead peer are noticed. */
export const MAX_BLOCK_MS = 1_000;
const WAKE_EVERY_MS = 50;
/** How much longer than its BLOCK a read may take once the worker is to stop. */
const ARRIVAL_MS = 3_000;
/** The longest turn at one of several groups of streams that can't be waited for together. */
const TURN_MS = 200;

/**
 * Reads entries that were never delivered. Streams of one slot are waited for in one XREADGROUP; streams
 * of several slots (or more streams than may be read from at once) take turns, so that none starves.
 */
export class Fetcher {
  readonly #reader: BlockingReader;
  readonly #settings: WorkerSettings;
  readonly #ordering: Ordering;
  readonly #cluster: boolean;
  /** The streams by slot, as they were at the last read. */
  #groups: string[][] = [];
  #streams: readonly string[] = [];
  /** Which group is first, and per group which stream. */
  readonly #firstGroup = new Rotation();
  readonly #firstStreams = new Map<readonly string[], Rotation>();
  readonly #stopping = new AbortController();
  #ended = false;

  constructor(reader: BlockingReader, settings: WorkerSettings, cluster: boolean, ordering: Ordering) {
    this.#reader = reader;
    this.#settings = settings;
    this.#ordering = ordering;
    this.#cluster = cluster;
  }

  /** Streams come and go. */
  #regroup(): void {
    const { streams } = this.#settings;
    if (streams === this.#streams) return;
    this.#streams = streams;
    this.#groups = bySlot(streams, this.#cluster);
    this.#firstStreams.clear();
  }

  /** Up to `count` new entries; waits up to `blockMs` for the first. */
  async read(count: number, blockMs: number): Promise<Delivery[]> {
    this.#regroup();
    if (this.#groups.length === 0) {
      await sleep(blockMs, this.#stopping.signal);
      return [];
    }
    const [only = []] = this.#groups;
    if (this.#ordering.waitsAsItLooks && this.#groups.length === 1 && only.length <= count)
      return this.#ordering.wait(this.#reader, this.#rotated(only), count, blockMs);
    // First a look at every group, then a short wait at the one whose turn it is.
    const found: Delivery[] = [];
    const groups = this.#firstGroup.next(this.#groups);
    for (const group of groups) {
      const left = count - found.length;
      if (left === 0) return found;
      found.push(...(await this.#ordering.look(this.#reader, this.#rotated(group), left)));
    }
    if (found.length > 0 || blockMs === 0) return found;
    const [group = []] = groups;
    const alone = !this.#ordering.waitsAsItLooks && this.#groups.length === 1;
    const turnMs = alone ? blockMs : Math.min(blockMs, TURN_MS);
    return this.#ordering.wait(this.#reader, this.#rotated(group), count, turnMs);
  }

  /**
   * The worker is to stop. A read may be about to block as well as blocked: it is woken until the reading has `ended`. A
   * large one that is still on its way gets a moment; what it was to bring is handed back at the end.
   */
  async stop(kill: AbortSignal): Promise<void> {
    this.#stopping.abort();
    for (
      const start = performance.now();
      !this.#ended && !kill.aborted && performance.now() - start < MAX_BLOCK_MS + ARRIVAL_MS;
      await sleep(WAKE_EVERY_MS, kill)
    ) {
      // Where this user may not do that, the read ends by itself within its BLOCK.
      await this.#reader.wake();
    }
    // Ends a read whatever it is bringing, and every later one: what it took stays pending for this consumer.
    if (!this.#ended) this.#reader.close();
  }

  /** Nothing is read any more. */
  ended(): void {
    this.#ended = true;
  }

  #rotated(group: readonly string[]): string[] {
    let rotation = this.#firstStreams.get(group);
    if (!rotation) this.#firstStreams.set(group, (rotation = new Rotation()));
    return rotation.next(group);
  }
}
