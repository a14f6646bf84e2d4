import { ConnectionError } from "../../errors.ts";
import type { Instant } from "../../lib/instant.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { alreadyDone, type DedupeSettings, type SameKeys } from "./dedupe.ts";
import type { WorkerEvents } from "./events.ts";
import { type Fetcher, MAX_BLOCK_MS } from "./fetch.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import type { Groups } from "./groups.ts";
import { verdictsWithoutMatch } from "./matching.ts";
import { type InFlight, noteCameAgain } from "./in-flight.ts";
import type { OutageGuard } from "./judge.ts";
import type { Ownership } from "./ownership.ts";
import type { Pacer } from "../../lib/rate.ts";
import type { ReadAhead } from "./read-ahead.ts";
import type { Recoverer } from "./recover.ts";
import type { Runner } from "./run.ts";
import type { Settler } from "./settle.ts";
import { type Delivery, HAND_BACK, type Verdict, type WorkerSettings } from "./types.ts";

/** With an end to watch for, the last handler's end must be noticed soon. */
const ENDING_BLOCK_MS = 50;

/** After a lost reply so many times fewer entries are asked for, and again more as replies come. */
const LESS = 10;
const MORE = 2;

const DUPLICATE: Verdict = { kind: "duplicate" };

/** When Redis was asked for entries, and, by performance.now(), when they came. */
interface Came {
  readonly askedAt: Instant;
  readonly gotAt: number;
}

export interface DispatcherParts {
  readonly streams: Streams;
  readonly settings: DedupeSettings & Pick<WorkerSettings, "streams" | "retry" | "where">;
  readonly inFlight: InFlight;
  readonly groupState: GroupState;
  readonly ownership: Ownership;
  readonly fetcher: Fetcher;
  readonly recoverer: Recoverer;
  readonly guard: OutageGuard;
  readonly pacer: Pacer;
  readonly runner: Runner;
  readonly sameKeys: SameKeys;
  readonly readAhead: ReadAhead;
  readonly settler: Settler;
  readonly groups: Groups;
  readonly events: WorkerEvents;
  /** Aborted: what comes now is handed back. */
  readonly ending: AbortSignal;
}

/**
 * Decides what comes next and how many: where entries may be taken from, when enough were, and what each that came is
 * to get: most a run, in a batch, some their verdict without.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  /** The last turn brought retries and take-overs: new entries come first in this one. */
  #newFirst = false;
  /** How many entries may be asked for at once: fewer after a reply that was lost, which may have been too large. */
  #most = Number.POSITIVE_INFINITY;
  /** The last read has brought something: there may be more to read ahead. */
  #backlog = false;
  /** The last read has brought nothing: the next one is likely to wait. */
  #quiet = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** How many entries may be taken now: none while the group is paused. */
  places(): number | "finished" {
    const { inFlight, groupState, guard, pacer, readAhead, events } = this.#parts;
    const aheadMs = this.#readsAhead ? readAhead.windowMs : 0;
    const ahead = this.#readsAhead ? Math.min(readAhead.entries, pacer.most(aheadMs)) : 0;
    const room = inFlight.room(ahead, readAhead.refillAt);
    const free = pacer.allow(guard.allow(room, this.#begun, performance.now()), aheadMs);
    const { remaining } = events.ends;
    if (remaining > 0 && groupState.allPaused) return 0;
    return remaining <= 0 ? "finished" : Math.max(0, Math.min(free, remaining - inFlight.count));
  }

  /**
   * Whether entries may be read before they start: not while the guard probes, nor when what is pending is due. That is
   * taken only when it starts at once, because a delivery counts from then on, and its worker may die.
   */
  get #readsAhead(): boolean {
    const { guard, recoverer } = this.#parts;
    return !guard.paused && this.#backlog && !recoverer.wantsSlot;
  }

  /** Runs, and entries that wait for theirs. */
  get #begun(): number {
    return this.#parts.inFlight.running + this.#parts.inFlight.waiting;
  }

  /** When a place may come free by itself, and not because a run has ended. */
  waitMs(): number | undefined {
    const { guard, pacer } = this.#parts;
    // What is under way wakes the loop.
    const probeMs = this.#begun > 0 ? undefined : guard.waitMs(performance.now());
    const waits = [probeMs, pacer.waitMs()].filter((ms) => ms !== undefined);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** One turn of the worker's loop: takes up to `places` entries and lets them in. True when enough was read. */
  async turn(places: number): Promise<boolean> {
    const { groupState } = this.#parts;
    if (!groupState.isFresh) await groupState.look();
    if (groupState.allPaused) return false;
    const asked = Math.min(places, this.#most);
    return this.#parts.ownership.reads(async (askedAt) => {
      const deliveries = await this.#next(asked).catch((error: unknown) => {
        if (error instanceof ConnectionError && error.sent)
          this.#most = Math.max(1, Math.floor(asked / LESS));
        throw error;
      });
      if (deliveries === "finished") return true;
      this.#backlog = deliveries.length > 0;
      if (this.#backlog) this.#most = Math.max(this.#most, asked * MORE);
      for (const { stream, entry } of deliveries) this.#parts.groups.noteGiven(stream, entry.id);
      await this.admit(deliveries, askedAt);
      return false;
    });
  }

  /**
   * Due retries and take-overs, then new entries; while there are both they take turns at being first. Gives
   * nothing when there was nothing for a while.
   */
  async #next(places: number): Promise<Delivery[] | "finished"> {
    const { events, fetcher, recoverer, ownership, inFlight } = this.#parts;
    // A probe goes to what has failed before: each one of a new entry would leave one more waiting.
    if (this.#newFirst && !this.#parts.guard.paused) {
      this.#newFirst = false;
      const fresh = await fetcher.read(places, 0);
      if (fresh.length > 0) return fresh;
    }
    const startable = inFlight.free;
    const due = await recoverer.takeDue(Math.min(places, startable));
    this.#newFirst = due.length > 0;
    if (due.length > 0) return due;
    const idle = inFlight.count === 0;
    if (idle && events.ends.untilEmpty) {
      const fresh = await fetcher.read(places, 0);
      if (fresh.length > 0) return fresh;
      if (await this.nothingPending()) return "finished";
    }
    if (idle && events.ends.reached) return "finished";
    if (this.#quiet) await ownership.checkWaiting();
    // While no slot is free a read does not wait: it would hide that a consumer was deleted (see `holdReads`).
    const fresh = await fetcher.read(places, startable > 0 ? this.#blockMs() : 0);
    this.#quiet = fresh.length === 0;
    return fresh;
  }

  /** Whether no entry of any stream waits for its verdict, whoever has it. */
  async nothingPending(): Promise<boolean> {
    const { streams, settings } = this.#parts;
    for (const stream of settings.streams) {
      if ((await streams.pendingTotals(stream, settings.group)).count > 0) return false;
    }
    return true;
  }

  /** Lets in what one read, or one step, has brought, which Redis was asked for then. */
  async admit(deliveries: readonly Delivery[], askedAt: Instant): Promise<void> {
    const { streams, settings, ownership, inFlight, runner, readAhead } = this.#parts;
    const gotAt = ownership.got(deliveries);
    readAhead.came(deliveries);
    const { where } = settings;
    const unmatched = where && (await verdictsWithoutMatch(where, deliveries, this.#parts.ending));
    const duplicates = await alreadyDone(streams, settings, deliveries);
    for (const delivery of deliveries) {
      if (!inFlight.isOverSince(askedAt.steady, delivery))
        this.#admitOne(
          delivery,
          unmatched?.get(delivery) ?? (duplicates.has(delivery) ? DUPLICATE : undefined),
          { askedAt, gotAt },
        );
    }
    runner.startNext();
  }

  /** `unrun`: its verdict, where it needs no run. */
  #admitOne(delivery: Delivery, unrun: Verdict | undefined, came: Came): void {
    const { settings, inFlight, groupState, runner, sameKeys, ending, events } = this.#parts;
    // Two steps may both have brought it: the one by which its key moved on, and a search for lost replies.
    // So may a group that was made again.
    const held = inFlight.get(delivery.stream, delivery.entry.id);
    if (held) {
      noteCameAgain(held);
      return;
    }
    events.ends.active();
    if (ending.aborted || groupState.isPaused(delivery.stream)) {
      // Its read was on the way when the worker was told to stop, or the group paused.
      this.#settleUnrun(delivery, HAND_BACK, came);
    } else if (unrun) this.#settleUnrun(delivery, unrun, came);
    else if (delivery.deliveries > settings.retry.maxDeliveries) {
      // Its last permitted run never reported back: it may be what ends the workers. Not run once more.
      const deliveries = Math.min(delivery.deliveries - 1, Number.MAX_SAFE_INTEGER);
      const reason = `no verdict after ${deliveries} deliveries: the workers that ran it died`;
      this.#settleUnrun(
        { ...delivery, deliveries, fence: delivery.deliveries },
        { kind: "dead", reason, stderr: Buffer.alloc(0) },
        came,
      );
    } else {
      const entry = inFlight.hold(delivery, came.askedAt, came.gotAt);
      sameKeys.came(entry);
      runner.waiting.add(entry);
    }
  }

  #settleUnrun(delivery: Delivery, verdict: Verdict, { askedAt, gotAt }: Came): void {
    const { inFlight, settler } = this.#parts;
    settler.settle(inFlight.hold(delivery, askedAt, gotAt), verdict, 0);
  }

  #blockMs(): number {
    const { recoverer, events } = this.#parts;
    const { ends } = events;
    const most = ends.untilEmpty || Number.isFinite(ends.remaining) ? ENDING_BLOCK_MS : MAX_BLOCK_MS;
    const dueMs = recoverer.nextAt - performance.now();
    // What is still running keeps an idle end from being reached.
    return Math.max(1, Math.min(most, dueMs, Math.max(ENDING_BLOCK_MS, ends.waitMs(most))));
  }
}
