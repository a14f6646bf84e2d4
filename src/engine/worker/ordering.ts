import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { msSince } from "../../lib/instant.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { Taken, TakeRule } from "../../redis/ops/take.ts";
import { readNew } from "../../redis/ops/read.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Turn } from "../group-reader/turns.ts";
import type { InFlight } from "./in-flight.ts";
import type { Retries } from "./retries.ts";
import type { Found, PendingSweep } from "./sweep.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/**
 * In which order entries may start: in any (`Unordered`), or with `--order-by` one at a time for each key (`OrderBy`). All
 * that differs between the two is here; no other role asks which one it has.
 */
export interface Ordering {
  /** As `Turns` takes it: a read that waits finds nothing. */
  readonly waitsApart: boolean;
  /** New entries that may start. */
  read(reader: BlockingReader, turn: Turn): Promise<Delivery[]>;
  /** Whether `search` shows all that is due. */
  readonly searchesAll: boolean;
  /** What the pending list shows to be due, before anything is taken. */
  search(stream: StreamKey, limit: number): Promise<Found>;
  /** Takes up to `limit` of these entries, where they may start. */
  take(stream: StreamKey, rule: TakeRule, ids: readonly EntryId[], limit: number): Promise<Taken[]>;
  /** Takes what is due and does not show in `search`. */
  takeFirsts(stream: StreamKey, rule: TakeRule, limit: number): Promise<Taken[]>;
  /** Those of this consumer's pending entries that may start: all but parked ones. */
  fronts(stream: StreamKey, ids: readonly EntryId[]): Promise<readonly EntryId[]>;
  /** What this worker alone knows to be its own: what the holders don't name. */
  held(stream: StreamKey): Held[];
  /** An entry was settled for good. */
  settled(delivery: Delivery): void;
  /** What settled entries have set going: each may bring one more entry. */
  readonly underWay: ReadonlySet<Promise<void>>;
  /** A stream is read no longer. */
  left(stream: StreamKey): void;
}

export interface UnorderedParts {
  readonly streams: Streams;
  readonly settings: Member & Pick<WorkerSettings, "claimIdleMs">;
  readonly inFlight: InFlight;
  readonly retries: Retries;
  readonly sweep: PendingSweep;
}

/** Entries may start in any order: XREADGROUP for new ones, the pending list for what is due. */
export class Unordered implements Ordering {
  readonly waitsApart = false;
  readonly searchesAll = true;
  readonly underWay: ReadonlySet<Promise<void>> = new Set();
  readonly #parts: UnorderedParts;

  constructor(parts: UnorderedParts) {
    this.#parts = parts;
  }

  async read(reader: BlockingReader, { streams, count, blockMs }: Turn): Promise<Delivery[]> {
    const found = await readNew(reader, this.#parts.settings, streams, count, blockMs);
    // In turn, so that a stream with many does not keep the others waiting.
    const longest = Math.max(0, ...found.map(({ entries }) => entries.length));
    return Array.from({ length: longest }, (_, at) =>
      found.flatMap(({ stream, entries }) => {
        const entry = entries[at];
        return entry === undefined ? [] : [{ stream, entry, deliveries: 1 }];
      }),
    ).flat();
  }

  search(stream: StreamKey, limit: number): Promise<Found> {
    return this.#parts.sweep.look(stream, limit, "again");
  }

  take(stream: StreamKey, rule: TakeRule, ids: readonly EntryId[], limit: number): Promise<Taken[]> {
    const { streams, settings } = this.#parts;
    return streams.takeEntries(stream, settings, rule, ids.slice(0, limit));
  }

  async takeFirsts(): Promise<Taken[]> {
    return [];
  }

  async fronts(_stream: string, ids: readonly EntryId[]): Promise<readonly EntryId[]> {
    return ids;
  }

  /** Where holders are kept they name the retries. */
  held(stream: StreamKey): Held[] {
    const { settings, inFlight, retries } = this.#parts;
    const own = [...inFlight.of(stream)].filter(({ lost, verdictSent }) => !lost && !verdictSent);
    return [
      ...own.map(({ entry, fence, ownedAt }) => ({
        id: entry.id,
        idleMs: 0,
        deliveries: fence,
        silentMs: msSince(ownedAt) < settings.claimIdleMs ? 0 : msSince(ownedAt),
      })),
      ...(settings.holders?.(stream) === undefined ? retries.held(stream) : []),
    ];
  }

  settled(): void {}

  left(stream: StreamKey): void {
    this.#parts.sweep.left(stream);
  }
}
