import { fieldValue } from "../../entry/entry.ts";
import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import { siblingKey } from "../../redis/keys.ts";
import type { OrderedMember, TakeChoice } from "../../redis/ops/order.ts";
import { waitForMore } from "../../redis/ops/read.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { DueRule, Taken, TakeRule } from "../../redis/ops/take.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** How many entries one read looks at for some that may start; the others are parked. */
const SCAN = 200;
/** With more than this pending, nothing is read: one stuck key must not park a whole stream. */
const MAX_PENDING = 10_000;
/** Without a stream there is nothing to wait for but time. */
const LEFT_WAIT_MS = 200;

/** With more keys than SCANNED × SCANS, one sweep does not look at all of them. */
const SCANNED = 200;
const SCANS = 5;

/** Order by key: the steps of redis/ops/order.ts, and waiting for entries that they may read. */
export class Ordering {
  readonly #streams: Streams;
  readonly #settings: WorkerSettings;
  readonly #field: Buffer;
  /** Per stream, an ID that nothing is new up to. */
  readonly #seen = new Map<string, string>();
  /** Where the last sweep of a stream's ledger stopped. */
  readonly #cursors = new Map<string, string>();

  constructor(streams: Streams, settings: WorkerSettings, field: string) {
    this.#streams = streams;
    this.#settings = settings;
    this.#field = Buffer.from(field);
  }

  /** New entries of one stream that may start. Does not wait. */
  async read(stream: string, places: number): Promise<Delivery[]> {
    const most = { places, look: SCAN, pending: MAX_PENDING };
    const { entries, lastId } = await this.#streams.readInOrder(stream, this.#member(stream), most);
    this.#seen.set(stream, lastId);
    return entries.map((entry): Delivery => ({ stream, entry, deliveries: 1, lost: false }));
  }

  /** Waits until one of the streams, all of one slot, has an entry that `read` has not seen. */
  async wait(reader: BlockingReader, streams: readonly string[], blockMs: number): Promise<void> {
    const cursors = streams.flatMap((stream) => {
      const seen = this.#seen.get(stream);
      return seen === undefined ? [] : [[stream, seen] as const];
    });
    // All of them have left since they were read: there is nothing to name to Redis.
    if (cursors.length === 0) await sleep(Math.min(blockMs, LEFT_WAIT_MS));
    else await waitForMore(reader, cursors, blockMs);
  }

  take(stream: string, rule: TakeRule, choice: TakeChoice): Promise<Taken[]> {
    return this.#streams.takeInOrder(stream, this.#member(stream), rule, choice);
  }

  /** Those of this consumer's entries that are not parked. */
  fronts(stream: string, ids: readonly string[]): Promise<string[]> {
    return this.#streams.frontsOf(stream, this.#member(stream), ids);
  }

  /** Up to `limit` entries that are the first of their keys and due; none of `skip`. */
  async takeFronts(stream: string, rule: DueRule, limit: number, skip: readonly string[]): Promise<Taken[]> {
    const taken: Taken[] = [];
    let cursor = this.#cursors.get(stream) ?? "0";
    for (let scan = 0; scan < SCANS && taken.length < limit; scan++) {
      const choice = { limit: limit - taken.length, cursor, keys: SCANNED, skip };
      const found = await this.#streams.takeFronts(stream, this.#member(stream), rule, choice);
      taken.push(...found.taken);
      cursor = found.cursor;
      if (cursor === "0") break;
    }
    this.#cursors.set(stream, cursor);
    return taken;
  }

  /** The entry that may start now that this one is settled, and the consumer that had it. */
  async next({ stream, entry }: Delivery): Promise<{ delivery: Delivery; from: string } | undefined> {
    const key = fieldValue(entry, this.#field);
    if (!key) return undefined;
    const next = await this.#streams.nextInOrder(stream, this.#member(stream), key, entry.id);
    if (!next?.fields) return undefined;
    const { id, fields, deliveries, from } = next;
    return {
      delivery: { stream, entry: { id, fields }, deliveries: Math.max(1, deliveries), lost: false },
      from,
    };
  }

  /** A stream is read no longer. */
  left(stream: string): void {
    this.#seen.delete(stream);
    this.#cursors.delete(stream);
  }

  #member(stream: string): OrderedMember {
    const ledger = siblingKey(stream, `:order:${this.#settings.group}`, this.#streams.cluster);
    return { member: this.#settings, ledger, field: this.#field };
  }
}
