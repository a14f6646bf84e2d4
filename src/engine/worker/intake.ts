import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import { bySlot } from "../../redis/keys.ts";
import { readNew } from "../../redis/ops/read.ts";
import type { Ordering } from "./ordering.ts";
import { Rotation } from "./rotation.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** The longest turn at one of several groups of streams that can't be waited for together. */
const TURN_MS = 200;

/**
 * Reads entries that were never delivered. Streams of one slot are waited for in one XREADGROUP; streams
 * of several slots (or more streams than may be read from at once) take turns, so that none starves.
 */
export class Intake {
  readonly #reader: BlockingReader;
  readonly #settings: WorkerSettings;
  readonly #ordering: Ordering | undefined;
  readonly #cluster: boolean;
  /** The streams by slot, as they were at the last read. */
  #groups: string[][] = [];
  #streams: readonly string[] = [];
  /** Which group is first, and per group which stream. */
  readonly #firstGroup = new Rotation();
  readonly #firstStreams = new Map<readonly string[], Rotation>();
  readonly #stopping = new AbortController();

  constructor(reader: BlockingReader, settings: WorkerSettings, cluster: boolean, ordering?: Ordering) {
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
    if (!this.#ordering && this.#groups.length === 1 && only.length <= count) {
      return this.#readFrom(this.#rotated(only), count, blockMs);
    }
    // First a look at every group, then a short wait at the one whose turn it is.
    const found: Delivery[] = [];
    const groups = this.#firstGroup.next(this.#groups);
    for (const group of groups) {
      const left = count - found.length;
      if (left === 0) return found;
      found.push(...(await this.#look(this.#rotated(group), left)));
    }
    if (found.length > 0 || blockMs === 0) return found;
    const [group = []] = groups;
    const turnMs = this.#groups.length === 1 ? blockMs : Math.min(blockMs, TURN_MS);
    if (this.#ordering) {
      await this.#ordering.wait(this.#reader, group, turnMs);
      return [];
    }
    return this.#readFrom(this.#rotated(group).slice(0, count), count, Math.min(turnMs, TURN_MS));
  }

  /** What streams of one slot have at once, without waiting. */
  async #look(streams: readonly string[], count: number): Promise<Delivery[]> {
    const found: Delivery[] = [];
    for (let at = 0; at < streams.length && found.length < count;) {
      const left = count - found.length;
      const some = streams.slice(at, at + (this.#ordering ? 1 : left));
      at += some.length;
      found.push(...(await (this.#ordering?.read(some[0] as string, left) ?? this.#readFrom(some, left, 0))));
    }
    return found;
  }

  /** For the end: wakes a read that waits, where this user may: otherwise it ends by itself within its BLOCK. */
  wake(): Promise<void> {
    this.#stopping.abort();
    return this.#reader.wake();
  }

  /** Ends a read whatever it is bringing, and every later one: what it took stays pending for this consumer. */
  abandon(): void {
    this.#reader.close();
  }

  #rotated(group: readonly string[]): string[] {
    let rotation = this.#firstStreams.get(group);
    if (!rotation) this.#firstStreams.set(group, (rotation = new Rotation()));
    return rotation.next(group);
  }

  async #readFrom(streams: readonly string[], count: number, blockMs: number): Promise<Delivery[]> {
    // COUNT applies to each stream, so the free places are shared out among them.
    const each = Math.max(1, Math.floor(count / streams.length));
    const found = await readNew(this.#reader, this.#settings, streams, each, blockMs);
    return found.flatMap(({ stream, entries }) =>
      entries.map((entry): Delivery => ({ stream, entry, deliveries: 1, lost: false })),
    );
  }
}
