import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { Rotation } from "../../lib/rotation.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { OwnRule, Taken, TakeRule } from "../../redis/ops/take.ts";
import type { WorkerEvents } from "./events.ts";
import type { GracePeriod } from "./heartbeat.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import type { InFlight } from "./in-flight.ts";
import type { EarlierRun, SilentConsumers } from "./left-behind.ts";
import type { Ordering } from "./ordering.ts";
import type { Ownership } from "./ownership.ts";
import { type Retries, takeAfterMs } from "./retries.ts";
import { NOTHING_FOUND, PAGE, type PendingSweep } from "./sweep.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

type RecoverSettings = Member &
  Pick<WorkerSettings, "streams" | "consumerIsUnique" | "claimIdleMs" | "retry">;

export interface RecovererParts {
  readonly streams: Streams;
  readonly settings: RecoverSettings;
  readonly retries: Retries;
  readonly ownership: Ownership;
  readonly silent: SilentConsumers;
  readonly earlier: EarlierRun;
  readonly inFlight: InFlight;
  readonly events: WorkerEvents;
  readonly grace: GracePeriod;
  readonly ordering: Ordering;
  readonly sweep: PendingSweep;
  readonly groupState: GroupState;
}

/**
 * Finds pending entries that may be taken: retries whose delay has passed, entries whose owner has gone
 * silent, and entries that somebody claimed for this worker by hand. Knows its own retries to the millisecond;
 * everybody's are found by sweeping the pending list. The server decides who gets an entry (redis/ops/take.ts), so two workers may look at once.
 */
export class Recoverer {
  readonly #streams: Streams;
  readonly #settings: RecoverSettings;
  readonly #events: WorkerEvents;
  readonly #ownership: Ownership;
  readonly #silent: SilentConsumers;
  readonly #earlier: EarlierRun;
  readonly #inFlight: InFlight;
  readonly #grace: GracePeriod;
  readonly #ordering: Ordering;
  readonly #sweep: PendingSweep;
  readonly #groupState: GroupState;
  readonly #everyMs: number;
  readonly #retries: Retries;
  /** Which stream is first to be looked at. */
  readonly #first = new Rotation();
  #nextSweepAt = 0;
  /** A look has found something due while there was no slot for it. */
  #foundDue = false;
  #looking: Promise<void> | undefined;

  constructor(parts: RecovererParts) {
    this.#streams = parts.streams;
    this.#settings = parts.settings;
    this.#retries = parts.retries;
    this.#ownership = parts.ownership;
    this.#silent = parts.silent;
    this.#earlier = parts.earlier;
    this.#inFlight = parts.inFlight;
    this.#events = parts.events;
    this.#grace = parts.grace;
    this.#ordering = parts.ordering;
    this.#sweep = parts.sweep;
    this.#groupState = parts.groupState;
    this.#everyMs = Math.min(500, Math.max(50, parts.settings.claimIdleMs / 10));
  }

  /** When to look again, by the clock of performance.now(): the machine's own may be set while this runs. */
  get nextAt(): number {
    if (this.#retries.mayHaveStrays) return 0;
    const next = this.#hasLeft ? 0 : Math.min(this.#retries.nextAt, this.#nextSweepAt);
    return Math.max(this.#grace.until, next);
  }

  /** Something is due, and waits for a slot. */
  get wantsSlot(): boolean {
    if (this.#retries.mayHaveStrays) return true;
    const now = performance.now();
    if (now < this.#grace.until) return false;
    return this.#foundDue || this.#hasLeft || now >= this.#retries.nextAt;
  }

  get #hasLeft(): boolean {
    return this.#earlier.hasLeft && this.#groupState.open.some((stream) => this.#earlier.hasLeftOn(stream));
  }

  /** A stream is read no longer: what was known of it is void. */
  left(stream: StreamKey): void {
    this.#retries.left(stream);
    this.#ordering.left(stream);
    this.#silent.left(stream);
    this.#earlier.left(stream);
  }

  /** Takes up to `limit` entries that are due; with 0 it only looks whether there are any. A lost reply here is as in `Retries.replyLost`. */
  async takeDue(limit: number): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    if (limit <= 0) {
      // Beside the reading, which need not wait for it; that says, too, when Redis can't be asked.
      this.#looking ??= this.#lookForDue()
        .catch(() => {})
        .finally(() => (this.#looking = undefined));
      return taken;
    }
    await this.#looking;
    this.#foundDue = false;
    if (this.#retries.mayHaveStrays) {
      // Also where the group is paused: then they are handed back.
      for (const stream of this.#settings.streams)
        taken.push(...(await this.#takeOwn(stream, limit - taken.length)));
      if (taken.length > 0) return taken;
      this.#retries.straysTaken();
    }
    const now = performance.now();
    if (now < this.#grace.until) return taken;
    for (const stream of this.#hasLeft ? this.#groupState.open : [])
      taken.push(...(await this.#takeLeft(stream, limit - taken.length)));
    if (taken.length > 0) return taken;
    const sweep = now >= this.#nextSweepAt;
    if (!sweep && now < this.#retries.nextAt) return taken;
    for (const stream of this.#first.next(this.#groupState.open)) {
      const left = limit - taken.length;
      if (left <= 0) break;
      const own = this.#retries.due(stream, now, left);
      // Before anything is taken: what is, but is not in flight yet, would look like given to this worker.
      const swept = sweep ? await this.#ordering.search(stream, left) : NOTHING_FOUND;
      // They come due by this worker's clock, unless another process may have the same name.
      const got = await this.#take(stream, own, left, this.#settings.consumerIsUnique ? "given" : "due");
      taken.push(...got);
      if (sweep) {
        const firsts = await this.#ordering.takeFirsts(stream, this.#rule("due"), left - got.length);
        taken.push(...this.#delivered(stream, firsts));
      }
      const due = swept.due.filter((id) => !own.includes(id));
      taken.push(...(await this.#take(stream, due, limit - taken.length, "due")));
      taken.push(...(await this.#take(stream, swept.given, limit - taken.length, "given")));
      // Only now: until it is answered, a retry that could not be asked for is still one, not a stray.
      const ids = new Set(got.map(({ entry }) => entry.id));
      for (const id of own) await this.#doneWaiting(stream, id, ids.has(id));
    }
    if (sweep) this.#nextSweepAt = performance.now() + (taken.length >= limit ? 0 : this.#everyMs);
    this.#retries.schedule((stream) => !this.#groupState.isPaused(stream));
    return taken;
  }

  async #lookForDue(): Promise<void> {
    const now = performance.now();
    if (this.wantsSlot || now < Math.max(this.#grace.until, this.#nextSweepAt)) return;
    this.#foundDue = !this.#ordering.searchesAll;
    for (const stream of this.#foundDue ? [] : this.#groupState.open) {
      const { due, given } = await this.#ordering.search(stream, 1);
      if (due.length + given.length > 0) this.#foundDue = true;
    }
    this.#nextSweepAt = this.#foundDue ? 0 : performance.now() + this.#everyMs;
  }

  /**
   * Looks at retries that are overdue and that others may have taken: so that, when something is thrown away, little is
   * remembered that others have settled long ago.
   */
  async review(stream: StreamKey): Promise<void> {
    const { group, consumer } = this.#settings;
    for (const id of this.#retries.overdue(stream, PAGE)) {
      const [row] = await this.#streams.pendingPage(stream, group, id, 1);
      if (row?.id === id && row.consumer === consumer) this.#retries.seen(stream, id);
      else await this.#doneWaiting(stream, id, false);
    }
  }

  /** What an earlier run of this worker's name had in flight. After a lost reply it comes due as everybody's does. */
  async #takeLeft(stream: StreamKey, limit: number): Promise<Delivery[]> {
    if (limit <= 0) return [];
    const left = await this.#earlier.next(stream, limit);
    const ids = left.filter((id) => !this.#inFlight.has(stream, id) && !this.#retries.get(stream, id));
    const taken = await this.#take(stream, ids, limit, "left");
    if (taken.length > 0) this.#earlier.noteTaken(stream);
    return taken;
  }

  async #takeOwn(stream: StreamKey, limit: number): Promise<Delivery[]> {
    if (limit <= 0) return [];
    const strays = await this.#sweep.strays(stream);
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
  async #doneWaiting(stream: StreamKey, id: EntryId, runs: boolean): Promise<void> {
    const { group, consumer, consumerIsUnique, claimIdleMs, retry } = this.#settings;
    const waited = this.#retries.get(stream, id);
    if (!waited) return;
    const [row] = runs ? [] : await this.#streams.pendingPage(stream, group, id, 1);
    if (!runs && row?.id !== id) {
      const sure = performance.now() < waited.othersAt;
      if (await this.#ownership.regainRetry(stream, { id, since: waited.since }, sure)) return;
    }
    this.#retries.forget(stream, id);
    if (row?.id !== id || row.consumer !== consumer) return;
    const othersMs = Math.max(0, takeAfterMs(row.deliveries, claimIdleMs, retry) - row.idleMs);
    // Its own it takes whatever their idle time: another worker has only just made it pending again.
    const leftMs = Math.max(this.#everyMs, consumerIsUnique ? 0 : othersMs);
    this.#retries.waitOn(stream, id, leftMs, othersMs, row.deliveries);
  }

  async #take(stream: StreamKey, ids: readonly EntryId[], limit: number, own: OwnRule): Promise<Delivery[]> {
    if (ids.length === 0 || limit <= 0) return [];
    return this.#delivered(stream, await this.#ordering.take(stream, this.#rule(own), ids, limit));
  }

  #rule(own: OwnRule): TakeRule {
    const { claimIdleMs, retry } = this.#settings;
    return { claimIdleMs, delayMs: retry.delayMs, maxDelayMs: retry.maxDelayMs, own };
  }

  #delivered(stream: StreamKey, taken: readonly Taken[]): Delivery[] {
    const missing = taken.filter(({ fields }) => fields === undefined).map(({ id }) => id);
    if (missing.length > 0) this.#events.missing(stream, missing);
    const deliveries: Delivery[] = [];
    for (const { id, fields, deliveries: count, from } of taken) {
      this.#silent.tookFrom(stream, from);
      if (!fields) continue;
      const delivery: Delivery = { stream, entry: { id, fields }, deliveries: count };
      this.#retries.forget(stream, id);
      if (from !== this.#settings.consumer) this.#events.takenOver(delivery, from);
      deliveries.push(delivery);
    }
    return deliveries;
  }
}
