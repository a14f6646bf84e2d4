import { type EntryId, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { PUT_OFF_CONSUMER } from "../../redis/ops/schedule-keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { InFlight } from "./in-flight.ts";
import { type Retries, type RetrySettings, takeAfterMs } from "./retries.ts";

/** One sweep looks at no more than PAGE × PAGES rows a stream (well under a ms of the server's time a page). */
export const PAGE = 100;
const PAGES = 5;
export const MOST_SWEPT = PAGE * PAGES;
const FIRST = "-";

/** What a sweep finds: entries that anybody may take by now, and entries that were claimed for this worker by hand. */
export interface Found {
  readonly due: readonly EntryId[];
  readonly given: readonly EntryId[];
}

export const NOTHING_FOUND: Found = { due: [], given: [] };

type SweepSettings = Pick<Member, "group" | "consumer"> & RetrySettings;

/** Looks for pending entries that may be taken, each time from where the last sweep of the stream stopped. */
export class PendingSweep {
  readonly #streams: Streams;
  readonly #settings: SweepSettings;
  readonly #inFlight: InFlight;
  readonly #retries: Retries;
  readonly #cursors = new Map<string, string>();

  constructor(streams: Streams, settings: SweepSettings, inFlight: InFlight, retries: Retries) {
    this.#streams = streams;
    this.#settings = settings;
    this.#inFlight = inFlight;
    this.#retries = retries;
  }

  /**
   * Up to `limit` that are due. `next`: where the sweep after this one starts when so many were found: at the same page,
   * so that what finds no place now is met again, or beyond them, where they may be parked and would be met for ever.
   */
  async look(stream: StreamKey, limit: number, next: "again" | "beyond"): Promise<Found> {
    const due: EntryId[] = [];
    const given: EntryId[] = [];
    let cursor = this.#cursors.get(stream) ?? FIRST;
    for (let page = 0; page < PAGES; page++) {
      const rows = await this.#streams.pendingPage(stream, this.#settings.group, cursor, PAGE);
      for (const row of rows) {
        if (due.length >= limit) break;
        if (this.#inFlight.has(stream, row.id)) continue;
        if (this.#isDue(row)) due.push(row.id);
        else if (this.#isGiven(stream, row)) given.push(row.id);
      }
      // Also on the last page.
      if (due.length >= limit) {
        if (next === "beyond") cursor = nextId(due.at(-1) as string) ?? FIRST;
        break;
      }
      const last = rows.at(-1);
      if (rows.length < PAGE || !last) {
        this.#cursors.set(stream, FIRST);
        return { due, given };
      }
      cursor = nextId(last.id) ?? FIRST;
    }
    this.#cursors.set(stream, cursor);
    return { due, given };
  }

  /** What is pending for this consumer and known to no one: its reply was lost. */
  async strays(stream: StreamKey): Promise<PendingRow[]> {
    const { group, consumer } = this.#settings;
    const rows = await this.#streams.pendingPage(stream, group, FIRST, MOST_SWEPT, consumer);
    return rows.filter(({ id, deliveries }) => {
      // A remembered entry with one delivery more was taken by a step whose answer was lost.
      const known = this.#retries.get(stream, id);
      return !this.#inFlight.has(stream, id) && (known === undefined || deliveries > known.deliveries);
    });
  }

  /** A stream is read no longer. */
  left(stream: StreamKey): void {
    this.#cursors.delete(stream);
  }

  #isDue({ idleMs, deliveries, consumer }: PendingRow): boolean {
    return (
      consumer !== PUT_OFF_CONSUMER &&
      idleMs >= takeAfterMs(deliveries, this.#settings.claimIdleMs, this.#settings.retry)
    );
  }

  /**
   * Pending under this worker's own name, and neither in flight nor left for later. A name that another process may
   * have, too, says nothing.
   */
  #isGiven(stream: StreamKey, { id, consumer }: PendingRow): boolean {
    if (this.#retries.forgetful || !this.#settings.consumerIsUnique) return false;
    return consumer === this.#settings.consumer && !this.#retries.get(stream, id);
  }
}
