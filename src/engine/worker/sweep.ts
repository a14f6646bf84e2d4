import { nextId } from "../../entry/id.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { InFlight } from "./in-flight.ts";
import type { Ordering } from "./ordering.ts";
import { type Retries, type RetrySettings, takeAfterMs } from "./retries.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** One sweep looks at no more than PAGE × PAGES rows a stream (well under a ms of the server's time a page). */
export const PAGE = 100;
const PAGES = 5;
export const MOST_SWEPT = PAGE * PAGES;
const FIRST = "-";

/** What a sweep finds: entries that anybody may take by now, and entries that were claimed for this worker by hand. */
export interface Found {
  readonly due: readonly string[];
  readonly given: readonly string[];
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
  async look(stream: string, limit: number, next: "again" | "beyond"): Promise<Found> {
    const due: string[] = [];
    const given: string[] = [];
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
  async strays(stream: string): Promise<PendingRow[]> {
    const { group, consumer } = this.#settings;
    const rows = await this.#streams.pendingPage(stream, group, FIRST, MOST_SWEPT, consumer);
    return rows.filter(({ id, deliveries }) => {
      // A remembered entry with one delivery more was taken by a step whose answer was lost.
      const known = this.#retries.get(stream, id);
      return !this.#inFlight.has(stream, id) && (known === undefined || deliveries > known.deliveries);
    });
  }

  /** A stream is read no longer. */
  left(stream: string): void {
    this.#cursors.delete(stream);
  }

  #isDue({ idleMs, deliveries }: PendingRow): boolean {
    return idleMs >= takeAfterMs(deliveries, this.#settings.claimIdleMs, this.#settings.retry);
  }

  /**
   * Pending under this worker's own name, and neither in flight nor left for later. A name that another process may
   * have, too, says nothing.
   */
  #isGiven(stream: string, { id, consumer }: PendingRow): boolean {
    if (this.#retries.forgetful || !this.#settings.consumerIsUnique) return false;
    return consumer === this.#settings.consumer && !this.#retries.get(stream, id);
  }
}

/** Rows of the pending list that are looked at at once, and how many entries are remembered of a stream. */
const EARLIER_PAGE = 200;
const MOST_EARLIER = 10_000;

type EarlierSettings = Pick<WorkerSettings, "group" | "consumer" | "consumerIsUnique">;

/**
 * What was pending for a consumer with a name of its choice when its run began: an earlier run of that name had it in
 * flight. It need not wait out --claim-idle, when no other run has the name now. That is asked for again each time that
 * some is to be taken: a run that began later may have taken it by then.
 */
export class EarlierRun {
  readonly #streams: Streams;
  readonly #settings: EarlierSettings;
  readonly #observer: WorkerObserver;
  readonly #ordering: Ordering;
  readonly #left = new Map<string, string[]>();
  readonly #told = new Set<string>();

  constructor(streams: Streams, settings: EarlierSettings, observer: WorkerObserver, ordering: Ordering) {
    this.#streams = streams;
    this.#settings = settings;
    this.#observer = observer;
    this.#ordering = ordering;
  }

  /** To be called before anything is read from a stream: all that is pending under the name is an earlier run's. */
  async join(stream: string): Promise<void> {
    const { group, consumer, consumerIsUnique } = this.#settings;
    if (consumerIsUnique) return;
    const ids: string[] = [];
    for (let start: string | undefined = "-"; start !== undefined && ids.length < MOST_EARLIER;) {
      const rows = await this.#streams.pendingPage(stream, group, start, EARLIER_PAGE, consumer);
      const page = rows.map(({ id }) => id);
      // With order by key most of them may be parked: they come when what is before them is settled.
      ids.push(...(await this.#ordering.fronts(stream, page)));
      const last = rows.at(-1);
      start = rows.length === EARLIER_PAGE && last ? nextId(last.id) : undefined;
    }
    if (ids.length > 0) this.#left.set(stream, ids);
  }

  left(stream: string): void {
    this.#left.delete(stream);
  }

  get hasLeft(): boolean {
    return this.#left.size > 0;
  }

  /** Up to `most` entries of a stream that may be taken now; they are not given a second time. */
  async next(stream: string, most: number): Promise<string[]> {
    if (!this.#left.has(stream)) return [];
    if ((await this.#streams.namesakes()) !== "none") this.#left.clear();
    const ids = this.#left.get(stream) ?? [];
    const some = ids.splice(0, most);
    if (ids.length === 0) this.#left.delete(stream);
    return some;
  }

  /** Says so once a stream. */
  noteTaken(stream: string): void {
    if (this.#told.has(stream)) return;
    this.#told.add(stream);
    const { consumer } = this.#settings;
    this.#observer.notice("info", `${stream}: going on with what an earlier run of ${consumer} had in hand`);
  }
}
