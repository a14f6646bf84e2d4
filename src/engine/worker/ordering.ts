import { fieldValue } from "../../entry/entry.ts";
import { sleep } from "../../lib/timer.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import { settlingKeys } from "../../redis/ops/member.ts";
import { OWN_FLAG, type Taken, type TakeRule, takenRow } from "../../redis/group-steps.ts";
import { siblingKey } from "../../redis/keys.ts";
import { waitForMore } from "../../redis/ops/read.ts";
import { nextInOrder, readInOrder, takeFronts, takeInOrder } from "../../redis/scripts/order.ts";
import { asList, asText } from "../../redis/value.ts";
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

/** Order by key: the steps of scripts/order.ts, and waiting for entries that they may read. */
export class Ordering {
  readonly #connection: Connection;
  readonly #settings: WorkerSettings;
  readonly #field: Buffer;
  /** Per stream, an ID that nothing is new up to. */
  readonly #seen = new Map<string, string>();
  /** Where the last sweep of a stream's ledger stopped. */
  readonly #cursors = new Map<string, string>();

  constructor(connection: Connection, settings: WorkerSettings, field: string) {
    this.#connection = connection;
    this.#settings = settings;
    this.#field = Buffer.from(field);
  }

  /** New entries of one stream that may start. Does not wait. */
  async read(stream: string, places: number): Promise<Delivery[]> {
    const { group, consumer } = this.#settings;
    const args = [group, consumer, this.#field, places, SCAN, MAX_PENDING];
    const [entries, last] = asList(await this.#connection.run(readInOrder, this.#keys(stream), args));
    this.#seen.set(stream, asText(last));
    return asList(entries).map((item) => {
      const [id, fields] = asList(item);
      return {
        stream,
        entry: { id: asText(id), fields: asList(fields) as Buffer[] },
        deliveries: 1,
        lost: false,
      };
    });
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

  /** `unknownOnly`: only what is in no ledger yet. */
  async take(
    stream: string,
    rule: TakeRule,
    ids: readonly string[],
    limit: number,
    unknownOnly: boolean,
  ): Promise<Taken[]> {
    const args = [
      ...this.#rule(rule),
      OWN_FLAG[rule.own],
      this.#field,
      limit,
      unknownOnly ? "new" : "any",
      ...ids,
    ];
    return asList(await this.#connection.run(takeInOrder, this.#keys(stream), args)).map((row) =>
      takenRow(row),
    );
  }

  /** Up to `limit` entries that are the first of their keys and due; none of `skip`. */
  async takeFronts(stream: string, rule: TakeRule, limit: number, skip: readonly string[]): Promise<Taken[]> {
    const taken: Taken[] = [];
    let cursor = this.#cursors.get(stream) ?? "0";
    for (let scan = 0; scan < SCANS && taken.length < limit; scan++) {
      const args = [...this.#rule(rule), limit - taken.length, cursor, SCANNED, ...skip];
      const [next, rows] = asList(await this.#connection.run(takeFronts, this.#keys(stream), args));
      taken.push(...asList(rows).map((row) => takenRow(row)));
      cursor = asText(next);
      if (cursor === "0") break;
    }
    this.#cursors.set(stream, cursor);
    return taken;
  }

  #rule({ claimIdleMs, delayMs, maxDelayMs }: TakeRule): (string | number)[] {
    const { group, consumer } = this.#settings;
    return [group, consumer, claimIdleMs, delayMs, maxDelayMs];
  }

  /** The entry that may start now that this one is settled. */
  async next({ stream, entry }: Delivery): Promise<Delivery | undefined> {
    const key = fieldValue(entry, this.#field);
    if (!key) return undefined;
    const { group, consumer } = this.#settings;
    const reply = await this.#connection.run(nextInOrder, this.#keys(stream), [
      group,
      consumer,
      key,
      entry.id,
    ]);
    if (reply === null) return undefined;
    const { id, deliveries, fields } = takenRow(reply);
    return fields && { stream, entry: { id, fields }, deliveries: Math.max(1, deliveries), lost: false };
  }

  /** A stream is read no longer. */
  left(stream: string): void {
    this.#seen.delete(stream);
    this.#cursors.delete(stream);
  }

  #keys(stream: string): string[] {
    const { group } = this.#settings;
    return settlingKeys(
      this.#settings,
      stream,
      siblingKey(stream, `:order:${group}`, this.#connection.cluster),
    );
  }
}
