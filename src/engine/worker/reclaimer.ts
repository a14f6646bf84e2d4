import { nextId } from "../../entry/id.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { OwnRule, Taken, TakeRule } from "../../redis/ops/take.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { takeAfterMs } from "./backoff.ts";
import type { Custody } from "./custody.ts";
import type { EarlierRun } from "./earlier-run.ts";
import type { Hands } from "./hands.ts";
import type { Ordering } from "./ordering.ts";
import type { Retries } from "./retries.ts";
import { Rotation } from "./rotation.ts";
import type { SilentConsumers } from "./silent-consumers.ts";
import type { Truce } from "./truce.ts";
import type { Delivery, WorkerObserver, WorkerSettings } from "./types.ts";

/** One sweep looks at no more than PAGE × PAGES rows a stream (well under a ms of the server's time a page). */
const PAGE = 100;
const PAGES = 5;
const FIRST = "-";

/** What a sweep finds: entries that anybody may take by now, and entries that somebody has given to this worker. */
interface Swept {
  readonly due: readonly string[];
  readonly given: readonly string[];
}

const NOTHING: Swept = { due: [], given: [] };

export interface ReclaimerParts {
  readonly streams: Streams;
  readonly settings: WorkerSettings;
  readonly hands: Hands;
  readonly retries: Retries;
  readonly custody: Custody;
  readonly silent: SilentConsumers;
  readonly earlier: EarlierRun;
  readonly observer: WorkerObserver;
  readonly truce: Truce;
  readonly ordering: Ordering | undefined;
}

/**
 * Finds pending entries that may be taken: retries whose delay has passed, entries whose owner has gone
 * silent, and entries that somebody claimed for this worker by hand. Knows its own retries to the millisecond;
 * everybody's are found by sweeping the pending list. The server decides who gets an entry (redis/ops/take.ts), so two workers may look at once.
 */
export class Reclaimer {
  readonly #streams: Streams;
  readonly #settings: WorkerSettings;
  readonly #hands: Hands;
  readonly #observer: WorkerObserver;
  readonly #custody: Custody;
  readonly #silent: SilentConsumers;
  readonly #earlier: EarlierRun;
  readonly #truce: Truce;
  readonly #ordering: Ordering | undefined;
  readonly #everyMs: number;
  readonly #retries: Retries;
  readonly #cursors = new Map<string, string>();
  /** Which stream is first to be looked at. */
  readonly #first = new Rotation();
  #nextSweepAt = 0;
  #repliesLost = false;

  constructor(parts: ReclaimerParts) {
    this.#streams = parts.streams;
    this.#settings = parts.settings;
    this.#hands = parts.hands;
    this.#retries = parts.retries;
    this.#custody = parts.custody;
    this.#silent = parts.silent;
    this.#earlier = parts.earlier;
    this.#observer = parts.observer;
    this.#truce = parts.truce;
    this.#ordering = parts.ordering;
    this.#everyMs = Math.min(500, Math.max(50, parts.settings.claimIdleMs / 10));
  }

  /** When to look again, by the clock of performance.now(): the machine's own may be set while this runs. */
  get nextAt(): number {
    if (this.#repliesLost) return 0;
    const next = this.#earlier.hasLeft ? 0 : Math.min(this.#retries.nextAt, this.#nextSweepAt);
    return Math.max(this.#truce.until, next);
  }

  /** A reply that may have carried entries was lost: they are pending under this consumer, seen by nobody. */
  repliesLost(): void {
    this.#repliesLost = this.#settings.consumerIsUnique;
  }

  /** A stream is read no longer: what was known of it is void. */
  left(stream: string): void {
    this.#retries.left(stream);
    this.#cursors.delete(stream);
    this.#ordering?.left(stream);
    this.#silent.left(stream);
    this.#earlier.left(stream);
  }

  /** Takes up to `limit` entries that are due. A lost reply here is as in `repliesLost`. */
  async takeDue(limit: number): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    if (this.#repliesLost) {
      for (const stream of this.#settings.streams)
        taken.push(...(await this.#takeOwn(stream, limit - taken.length)));
      if (taken.length > 0) return taken;
      this.#repliesLost = false;
    }
    const now = performance.now();
    if (now < this.#truce.until) return taken;
    for (const stream of this.#earlier.hasLeft ? this.#settings.streams : [])
      taken.push(...(await this.#takeLeft(stream, limit - taken.length)));
    if (taken.length > 0) return taken;
    const sweep = now >= this.#nextSweepAt;
    if (!sweep && now < this.#retries.nextAt) return taken;
    for (const stream of this.#first.next(this.#settings.streams)) {
      const left = limit - taken.length;
      if (left <= 0) break;
      const own = this.#retries.due(stream, now, left);
      // Before anything is taken: what is, but is not in hand yet, would look like given to this worker.
      const swept = sweep && !this.#ordering ? await this.#sweep(stream, left) : NOTHING;
      // They come due by this worker's clock, unless another process may have the same name.
      const got = await this.#take(stream, own, left, this.#settings.consumerIsUnique ? "given" : "due");
      taken.push(...got);
      if (this.#ordering && sweep)
        taken.push(...(await this.#sweepInOrder(this.#ordering, stream, left - got.length)));
      const due = swept.due.filter((id) => !own.includes(id));
      taken.push(...(await this.#take(stream, due, limit - taken.length, "due")));
      taken.push(...(await this.#take(stream, swept.given, limit - taken.length, "given")));
      // Only now: until it is answered, a retry that could not be asked for is still one, not a stray.
      const ids = new Set(got.map(({ entry }) => entry.id));
      for (const id of own) await this.#doneWaiting(stream, id, ids.has(id));
    }
    if (sweep) this.#nextSweepAt = performance.now() + (taken.length >= limit ? 0 : this.#everyMs);
    this.#retries.schedule();
    return taken;
  }

  /**
   * Looks at retries that are overdue and that others may have taken: so that, when something is thrown away, little is
   * remembered that others have settled long ago.
   */
  async review(stream: string): Promise<void> {
    const { group, consumer } = this.#settings;
    for (const id of this.#retries.overdue(stream, PAGE)) {
      const [row] = await this.#streams.pendingPage(stream, group, id, 1);
      if (row?.id === id && row.consumer === consumer) this.#retries.seen(stream, id);
      else await this.#doneWaiting(stream, id, false);
    }
  }

  /** What is pending for this consumer and known to nobody, for handing it back at the end. */
  async ownStrays(stream: string): Promise<PendingRow[]> {
    const { group, consumer } = this.#settings;
    const rows = await this.#streams.pendingPage(stream, group, FIRST, PAGE * PAGES, consumer);
    return rows.filter(({ id, deliveries }) => {
      // A remembered entry with one delivery more was taken by a step whose answer was lost.
      const known = this.#retries.get(stream, id);
      return !this.#hands.has(stream, id) && (known === undefined || deliveries > known.deliveries);
    });
  }

  /** What an earlier run of this worker's name had in hand. After a lost reply it comes due as everybody's does. */
  async #takeLeft(stream: string, limit: number): Promise<Delivery[]> {
    if (limit <= 0) return [];
    const left = await this.#earlier.next(stream, limit);
    const ids = left.filter((id) => !this.#hands.has(stream, id) && !this.#retries.get(stream, id));
    const taken = await this.#take(stream, ids, limit, "left");
    if (taken.length > 0) this.#earlier.noteTaken(stream);
    return taken;
  }

  async #takeOwn(stream: string, limit: number): Promise<Delivery[]> {
    if (limit <= 0) return [];
    // With order by key most of them may be parked, which the script leaves alone.
    const offered = this.#ordering ? PAGE * PAGES : limit;
    const strays = (await this.ownStrays(stream)).slice(0, offered);
    return this.#take(
      stream,
      strays.map(({ id }) => id),
      limit,
      "lost",
    );
  }

  /**
   * A retry is forgotten when it runs, or when another has it. One that Redis has thrown away is pending again after
   * this, and still this worker's.
   */
  async #doneWaiting(stream: string, id: string, runs: boolean): Promise<void> {
    const { group, consumer, consumerIsUnique, claimIdleMs, retry } = this.#settings;
    const waited = this.#retries.get(stream, id);
    if (!waited) return;
    const [row] = runs ? [] : await this.#streams.pendingPage(stream, group, id, 1);
    if (!runs && row?.id !== id) {
      const sure = performance.now() < waited.othersAt;
      if (await this.#custody.regainRetry(stream, { id, since: waited.since }, sure)) return;
    }
    this.#retries.forget(stream, id);
    if (row?.id !== id || row.consumer !== consumer) return;
    const othersMs = Math.max(0, takeAfterMs(row.deliveries, claimIdleMs, retry) - row.idleMs);
    // Its own it takes whatever their idle time: another worker has only just made it pending again.
    const leftMs = Math.max(this.#everyMs, consumerIsUnique ? 0 : othersMs);
    this.#retries.waitOn(stream, id, leftMs, othersMs, row.deliveries);
  }

  /** Looks at the pending list from where the last sweep of this stream stopped. */
  async #sweep(stream: string, limit: number): Promise<Swept> {
    const due: string[] = [];
    const given: string[] = [];
    let cursor = this.#cursors.get(stream) ?? FIRST;
    for (let page = 0; page < PAGES; page++) {
      const rows = await this.#streams.pendingPage(stream, this.#settings.group, cursor, PAGE);
      for (const row of rows) {
        if (due.length >= limit) break;
        if (this.#hands.has(stream, row.id)) continue;
        if (this.#isDue(row)) due.push(row.id);
        else if (this.#isGiven(stream, row)) given.push(row.id);
      }
      // What was due but found no place is met again: the next sweep starts at this page, also when it is the
      // last one. Parked entries would be met there for ever.
      if (due.length >= limit) {
        if (this.#ordering) cursor = nextId(due.at(-1) as string) ?? FIRST;
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

  #isDue({ idleMs, deliveries }: PendingRow): boolean {
    return idleMs >= takeAfterMs(deliveries, this.#settings.claimIdleMs, this.#settings.retry);
  }

  /**
   * Pending under this worker's own name, and neither in hand nor left for later. A name that another process may
   * have, too, says nothing; with order by key, entries are parked under it.
   */
  #isGiven(stream: string, { id, consumer }: PendingRow): boolean {
    if (this.#retries.forgetful || this.#ordering || !this.#settings.consumerIsUnique) return false;
    return consumer === this.#settings.consumer && !this.#retries.get(stream, id);
  }

  /**
   * With order by key the ledger tells what is due; the pending list, most of which may be parked, only what is in no
   * ledger.
   */
  async #sweepInOrder(ordering: Ordering, stream: string, limit: number): Promise<Delivery[]> {
    if (limit <= 0) return [];
    const inHand = [...this.#hands.of(stream)].map(({ entry }) => entry.id);
    const rule = this.#rule("due");
    const taken = await ordering.takeFronts(stream, rule, limit, inHand);
    if (taken.length < limit) {
      const { due } = await this.#sweep(stream, PAGE * PAGES);
      if (due.length > 0)
        taken.push(
          ...(await ordering.take(stream, rule, {
            ids: due,
            limit: limit - taken.length,
            unknownOnly: true,
          })),
        );
    }
    return this.#delivered(stream, taken);
  }

  async #take(stream: string, ids: readonly string[], limit: number, own: OwnRule): Promise<Delivery[]> {
    if (ids.length === 0 || limit <= 0) return [];
    const rule = this.#rule(own);
    const taken = this.#ordering
      ? await this.#ordering.take(stream, rule, { ids, limit, unknownOnly: false })
      : await this.#streams.takeEntries(stream, this.#settings, rule, ids.slice(0, limit));
    return this.#delivered(stream, taken);
  }

  #rule(own: OwnRule): TakeRule {
    const { claimIdleMs, retry } = this.#settings;
    return { claimIdleMs, delayMs: retry.delayMs, maxDelayMs: retry.maxDelayMs, own };
  }

  #delivered(stream: string, taken: readonly Taken[]): Delivery[] {
    const missing = taken.filter(({ fields }) => fields === undefined).map(({ id }) => id);
    if (missing.length > 0) this.#observer.missing(stream, missing);
    const deliveries: Delivery[] = [];
    for (const { id, fields, deliveries: count, from } of taken) {
      this.#silent.tookFrom(stream, from);
      if (!fields) continue;
      const delivery: Delivery = { stream, entry: { id, fields }, deliveries: count, lost: false };
      this.#retries.forget(stream, id);
      if (from !== this.#settings.consumer) this.#observer.takenOver(delivery, from);
      deliveries.push(delivery);
    }
    return deliveries;
  }
}
