import { fieldValue } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { errorText } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import { siblingKey } from "../../redis/keys.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { OrderedMember } from "../../redis/ops/order.ts";
import { waitForMore } from "../../redis/ops/read.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Taken, TakeRule } from "../../redis/ops/take.ts";
import type { WorkerEvents } from "./events.ts";
import type { Turn } from "../group-reader/turns.ts";
import type { InFlight } from "./in-flight.ts";
import type { Ordering } from "./ordering.ts";
import type { Retries } from "./retries.ts";
import type { SilentConsumers } from "./left-behind.ts";
import { type Found, MOST_SWEPT, NOTHING_FOUND, type PendingSweep } from "./sweep.ts";
import type { Delivery } from "./types.ts";

/** How many entries one read looks at for some that may start; the others are parked. */
const SCAN = 200;
/** With more than this pending, nothing is read: one stuck key must not park a whole stream. */
const MAX_PENDING = 10_000;
/** Without a stream there is nothing to wait for but time. */
const LEFT_WAIT_MS = 200;

/** With more keys than SCANNED × SCANS, one sweep does not look at all of them. */
const SCANNED = 200;
const SCANS = 5;

export interface OrderByParts {
  readonly streams: Streams;
  readonly settings: Member;
  readonly inFlight: InFlight;
  readonly retries: Retries;
  readonly silent: SilentConsumers;
  readonly sweep: PendingSweep;
  readonly events: WorkerEvents;
}

/** Order by key: the steps of redis/ops/order.ts. */
export class OrderBy implements Ordering {
  readonly waitsApart = true;
  readonly searchesAll = false;
  readonly #parts: OrderByParts;
  readonly #field: Buffer;
  /** Per stream, an ID that nothing is new up to. */
  readonly #seen = new Map<string, string>();
  /** Where the last sweep of a stream's ledger stopped. */
  readonly #cursors = new Map<string, string>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(field: string, parts: OrderByParts) {
    this.#parts = parts;
    this.#field = Buffer.from(field);
  }

  get underWay(): ReadonlySet<Promise<void>> {
    return this.#underWay;
  }

  /** Looks at one stream, or waits until one of several has an entry that was not seen, without reading it. */
  async read(reader: BlockingReader, { streams, count, blockMs }: Turn): Promise<Delivery[]> {
    if (blockMs > 0) {
      await this.#wait(reader, streams, blockMs);
      return [];
    }
    const stream = streams[0] as StreamKey;
    const most = { places: count, look: SCAN, pending: MAX_PENDING };
    const { entries, lastId } = await this.#parts.streams.readInOrder(stream, this.#member(stream), most);
    this.#seen.set(stream, lastId);
    return entries.map((entry) => ({ stream, entry, deliveries: 1 }));
  }

  /** Most of the pending list may be parked: the ledger tells what is due (`takeFirsts`). */
  async search(): Promise<Found> {
    return NOTHING_FOUND;
  }

  take(stream: StreamKey, rule: TakeRule, ids: readonly EntryId[], limit: number): Promise<Taken[]> {
    const choice = { ids, limit, unknownOnly: false };
    return this.#parts.streams.takeInOrder(stream, this.#member(stream), rule, choice);
  }

  /** The first entries of their keys; then, by the pending list, only what is in no ledger. */
  async takeFirsts(stream: StreamKey, rule: TakeRule, limit: number): Promise<Taken[]> {
    if (limit <= 0) return [];
    const taken = await this.#takeFronts(stream, rule, limit);
    if (taken.length >= limit) return taken;
    const { due } = await this.#parts.sweep.look(stream, MOST_SWEPT, "beyond");
    if (due.length === 0) return taken;
    const choice = { ids: due, limit: limit - taken.length, unknownOnly: true };
    return [...taken, ...(await this.#parts.streams.takeInOrder(stream, this.#member(stream), rule, choice))];
  }

  fronts(stream: StreamKey, ids: readonly EntryId[]): Promise<readonly EntryId[]> {
    return this.#parts.streams.frontsOf(stream, this.#member(stream), ids);
  }

  /** The holders name all that is not settled. */
  held(): Held[] {
    return [];
  }

  /** The key of the entry moves on to its next one. */
  settled(delivery: Delivery): void {
    const move = this.#moveOn(delivery).finally(() => this.#underWay.delete(move));
    this.#underWay.add(move);
  }

  left(stream: StreamKey): void {
    this.#seen.delete(stream);
    this.#cursors.delete(stream);
    this.#parts.sweep.left(stream);
  }

  async #wait(reader: BlockingReader, streams: readonly StreamKey[], blockMs: number): Promise<void> {
    const cursors = streams.flatMap((stream) => {
      const seen = this.#seen.get(stream);
      return seen === undefined ? [] : [[stream, seen] as const];
    });
    // All of them have left since they were read: there is nothing to name to Redis.
    if (cursors.length === 0) await sleep(Math.min(blockMs, LEFT_WAIT_MS));
    else await waitForMore(reader, cursors, blockMs);
  }

  /** Up to `limit` entries that are the first of their keys and due, and not in flight. */
  async #takeFronts(stream: StreamKey, rule: TakeRule, limit: number): Promise<Taken[]> {
    const skip = [...this.#parts.inFlight.of(stream)].map(({ entry }) => entry.id);
    const taken: Taken[] = [];
    let cursor = this.#cursors.get(stream) ?? "0";
    for (let scan = 0; scan < SCANS && taken.length < limit; scan++) {
      const choice = { limit: limit - taken.length, cursor, keys: SCANNED, skip };
      const found = await this.#parts.streams.takeFronts(stream, this.#member(stream), rule, choice);
      taken.push(...found.taken);
      cursor = found.cursor;
      if (cursor === "0") break;
    }
    this.#cursors.set(stream, cursor);
    return taken;
  }

  /** What goes wrong here is mended by the sweeps. */
  async #moveOn(settled: Delivery): Promise<void> {
    const { inFlight, retries, silent, events } = this.#parts;
    try {
      const askedAt = inFlight.asks();
      const next = await this.#next(settled);
      if (!next) return;
      silent.tookFrom(settled.stream, next.from);
      await events.came([next.delivery], askedAt);
    } catch (error) {
      retries.replyLost();
      events.notice("detail", `the next of its key was not started: ${errorText(error)}`);
    }
  }

  /** The entry that may start now that this one is settled, and the consumer that had it. */
  async #next({ stream, entry }: Delivery): Promise<{ delivery: Delivery; from: string } | undefined> {
    const key = fieldValue(entry, this.#field);
    if (!key) return undefined;
    const next = await this.#parts.streams.nextInOrder(stream, this.#member(stream), key, entry.id);
    if (!next?.fields) return undefined;
    const { id, fields, deliveries, from } = next;
    return {
      delivery: { stream, entry: { id, fields }, deliveries: Math.max(1, deliveries) },
      from,
    };
  }

  #member(stream: StreamKey): OrderedMember {
    const { streams, settings } = this.#parts;
    const ledger = siblingKey(stream, `:order:${settings.group}`, streams.cluster);
    return { member: settings, ledger, field: this.#field };
  }
}
