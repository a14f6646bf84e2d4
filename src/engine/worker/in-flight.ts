import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { type Instant, now } from "../../lib/instant.ts";
import { startTimer } from "../../lib/timer.ts";
import { type Claim, NO_FENCE } from "../../redis/ops/owned.ts";
import type { Handler } from "../handlers/handler.ts";
import type { Delivery } from "./types.ts";

/** Verdicts on their way may be as many as entries that run, and twice those that are read ahead. */
const UNSETTLED_PER_PLACE = 2;
const UNSETTLED_PER_AHEAD = 3;

/** Of so many entries it is remembered when they were settled: more than can be within the time of one step. */
const REMEMBERED = 4_096;

/** How much a handler takes at once. */
export type Capacity = Pick<Handler, "slots" | "batch">;

export type FlightState = "waiting" | "running" | "settling" | "aside" | "gone";

/**
 * | state    | the entry waits for                                | it goes on to                                  |
 * | -------- | -------------------------------------------------- | ---------------------------------------------- |
 * | waiting  | others of its batch, or a slot                     | running (`start`); settling, without a run     |
 * | running  | its handler; before it, after a pause, Redis' word | settling; gone, when another had it by then    |
 * | settling | the answer of its verdict's script                 | gone (`settled`); aside                        |
 * | aside    | the same, while the server can't take it           | gone; it keeps no other from being fetched     |
 * | gone     | nothing                                            | for good, or pending and met again as a retry  |
 *
 * Beside its state an entry has facts, which any of the states may learn: `lost`, `orphaned`, `verdictSent`, `leaves`, `cameAgain`.
 */
const GOES_ON_TO: Readonly<Record<FlightState, readonly FlightState[]>> = {
  waiting: ["running", "settling"],
  running: ["settling", "gone"],
  settling: ["aside", "gone"],
  aside: ["gone"],
  gone: [],
};

/** A delivery in flight. Only this file changes one. */
export interface InFlightEntry extends Delivery {
  readonly state: FlightState;
  /** The token of its take, by which every script tells whether it is still this worker's. */
  readonly claim: Claim;
  /** The delivery count that it has in Redis. */
  readonly fence: number;
  /** When Redis was asked that last said that it is this worker's; others may take it --claim-idle after that. */
  readonly ownedAt: Instant;
  /** By performance.now(), when it came. */
  readonly gotAt: number;
  /** By performance.now(), when its run began; undefined before. */
  readonly startedAt: number | undefined;
  /** Another consumer was found to own it: its verdict counts for nothing. */
  readonly lost: boolean;
  /** Its data was found gone from the stream: this worker alone has it, and Redis keeps nothing of it. */
  readonly orphaned: boolean;
  /** Its verdict is on its way, or its reply was lost: what Redis has of it now proves nothing. */
  readonly verdictSent: boolean;
  /** The same, and that leaves it pending: to keep it alive would undo how long it is to be idle. */
  readonly leaves: boolean;
  /** It came once more while in flight, from a group that was made again: its verdict may have come too early. */
  readonly cameAgain: boolean;
}

/** A class, because objects put together by spreading have no fixed shape in V8: batches of 50 were a third slower. */
class FlightRecord implements InFlightEntry {
  readonly stream: StreamKey;
  readonly entry: Entry;
  readonly deliveries: number;
  readonly claim: Claim;
  readonly fence: number;
  readonly gotAt: number;
  readonly ownedAt: Instant;
  readonly startedAt: number | undefined = undefined;
  readonly state: FlightState = "waiting";
  readonly lost: boolean = false;
  readonly orphaned: boolean = false;
  readonly verdictSent: boolean = false;
  readonly leaves: boolean = false;
  readonly cameAgain: boolean = false;

  constructor(delivery: Delivery, claim: Claim, askedAt: Instant, gotAt: number) {
    this.stream = delivery.stream;
    this.entry = delivery.entry;
    this.deliveries = delivery.deliveries;
    this.claim = claim;
    this.fence = delivery.fence ?? delivery.deliveries;
    this.gotAt = gotAt;
    this.ownedAt = askedAt;
  }
}

type Changeable = { -readonly [Name in keyof InFlightEntry]: InFlightEntry[Name] };

export function noteOwned(entry: InFlightEntry, askedAt: Instant): void {
  const record: Changeable = entry;
  record.ownedAt = askedAt;
}

export function noteLost(entry: InFlightEntry): void {
  const record: Changeable = entry;
  record.lost = true;
}

export function noteOrphaned(entry: Pick<InFlightEntry, "orphaned">): void {
  const record: Pick<Changeable, "orphaned"> = entry;
  record.orphaned = true;
}

export function noteVerdictSent(entry: InFlightEntry, sent: boolean, leaves = false): void {
  const record: Changeable = entry;
  record.verdictSent = sent;
  record.leaves = sent && leaves;
}

export function noteCameAgain(entry: InFlightEntry): void {
  const record: Changeable = entry;
  record.cameAgain = true;
}

/**
 * The entries in flight: delivered to this worker, and not settled yet. The heartbeat walks through them and `Recoverer`
 * leaves them alone. No more is taken than can start at once (`slots` runs of a batch each; persistent handlers that
 * answer fast take more), and no more than waits already for its verdicts to be answered, but for those set aside.
 */
export class InFlight {
  readonly #handler: Capacity;
  readonly #fenced: boolean;
  readonly #held = new Map<string, Map<string, InFlightEntry>>();
  readonly #inState: Record<FlightState, number> = { waiting: 0, running: 0, settling: 0, aside: 0, gone: 0 };
  #runs = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #listeners = new Set<() => void>();
  /** By ID and stream, when entries were settled for good; the last one is the latest. */
  readonly #over = new Map<string, number>();

  /** `fenced`: another process may have the consumer's name, so a take is known by its delivery count, too. */
  constructor(handler: Capacity, fenced = true) {
    this.#handler = handler;
    this.#fenced = fenced;
  }

  /** Redis is about to be asked for entries, which makes a consumer that was deleted anew. Gives the time. */
  asks(): Instant {
    const askedAt = now();
    this.#askedAt = askedAt.steady;
    return askedAt;
  }

  /** When it was asked last, by performance.now(). */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** Entries not settled yet, running or not. */
  get count(): number {
    const { waiting, running, settling, aside } = this.#inState;
    return waiting + running + settling + aside;
  }

  /** Entries that have not been started. */
  get waiting(): number {
    return this.#inState.waiting;
  }

  /** Runs of the handler. */
  get running(): number {
    return this.#runs;
  }

  get freeSlots(): number {
    return this.#handler.slots - this.#runs;
  }

  /** How many entries may be taken to start at once. */
  get free(): number {
    return this.room(0, 0);
  }

  /**
   * How many entries may be taken when so many may wait for a slot. While none would start at once they are asked for
   * several at a time, when no more than that share of them is left: each question has its price.
   */
  room(ahead: number, refillAt: number): number {
    const { slots, batch } = this.#handler;
    const { waiting, aside } = this.#inState;
    const startable = this.freeSlots * batch.size - waiting;
    if (startable <= 0 && -startable > ahead * refillAt) return 0;
    const unsettled = slots * batch.size * UNSETTLED_PER_PLACE + ahead * UNSETTLED_PER_AHEAD;
    return Math.max(0, Math.min(startable + ahead, unsettled + aside - this.count));
  }

  has(stream: StreamKey, id: EntryId): boolean {
    return this.#held.get(stream)?.has(id) ?? false;
  }

  get(stream: StreamKey, id: EntryId): InFlightEntry | undefined {
    return this.#held.get(stream)?.get(id);
  }

  of(stream: StreamKey): Iterable<InFlightEntry> {
    return this.#held.get(stream)?.values() ?? [];
  }

  /** How many entries of a stream run, and since when the first of them does (performance.now()). */
  runningOf(stream: StreamKey): { readonly running: number; readonly since: number | undefined } {
    let running = 0;
    let since: number | undefined;
    for (const { state, startedAt } of this.of(stream)) {
      if (state !== "running" || startedAt === undefined) continue;
      running++;
      since = Math.min(since ?? startedAt, startedAt);
    }
    return { running, since };
  }

  /** Some of them, those held longest first within each stream. */
  some(most: number): InFlightEntry[] {
    const all: InFlightEntry[] = [];
    for (const ofStream of this.#held.values()) {
      for (const delivery of ofStream.values()) {
        if (all.length === most) return all;
        all.push(delivery);
      }
    }
    return all;
  }

  /** A delivery that came at `gotAt`, by a question that was asked at `askedAt`; it waits from now on. */
  hold(delivery: Delivery, askedAt: Instant, gotAt: number): InFlightEntry {
    const { stream } = delivery;
    const fence = this.#fenced ? (delivery.fence ?? delivery.deliveries) : NO_FENCE;
    const claim = { id: delivery.entry.id, fence };
    const entry: InFlightEntry = new FlightRecord(delivery, claim, askedAt, gotAt);
    let ofStream = this.#held.get(stream);
    if (!ofStream) this.#held.set(stream, (ofStream = new Map<string, InFlightEntry>()));
    ofStream.set(entry.entry.id, entry);
    this.#inState.waiting++;
    return entry;
  }

  /** A run takes a slot, for these entries. */
  start(batch: readonly InFlightEntry[]): void {
    const now = performance.now();
    for (const entry of batch) {
      this.#move(entry, "running");
      const record: Changeable = entry;
      record.startedAt = now;
    }
    this.#runs++;
  }

  /** The run has ended: its slot is free. */
  finished(): void {
    this.#runs--;
    this.wake();
  }

  /** It has a verdict. */
  settles(entry: InFlightEntry): void {
    if (entry.state !== "settling" && entry.state !== "aside") this.#move(entry, "settling");
  }

  /** Its verdict can't be delivered now, which keeps no other from being taken. */
  setAside(entry: InFlightEntry): void {
    if (entry.state !== "settling") return;
    this.#move(entry, "aside");
    this.wake();
  }

  /** Nothing more comes of it here. */
  settled(entry: InFlightEntry): void {
    if (entry.state === "gone") return;
    this.#move(entry, "gone");
    this.#held.get(entry.stream)?.delete(entry.entry.id);
    this.wake();
  }

  /** Its verdict has settled it for good. */
  over({ stream, entry }: Delivery): void {
    const key = `${entry.id} ${stream}`;
    this.#over.delete(key);
    this.#over.set(key, performance.now());
    if (this.#over.size <= REMEMBERED) return;
    const [oldest = ""] = this.#over.keys();
    this.#over.delete(oldest);
  }

  /**
   * Whether an entry was settled for good after that time of performance.now(): a step that was asked for before may
   * have found it pending all the same, and its answer arrive only now.
   */
  isOverSince(time: number, { stream, entry }: Delivery): boolean {
    return (this.#over.get(`${entry.id} ${stream}`) ?? Number.NEGATIVE_INFINITY) > time;
  }

  /** Resolves at the next change (a run finished, an entry settled, `wake`), after `ms`, or when the signal aborts. */
  changed(signal: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        timer?.stop();
        signal.removeEventListener("abort", done);
        this.#listeners.delete(done);
        resolve();
      };
      const timer = ms === undefined ? undefined : startTimer(ms, done);
      this.#listeners.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #move(entry: InFlightEntry, to: FlightState): void {
    if (!GOES_ON_TO[entry.state].includes(to))
      throw new TypeError(`${entry.entry.id} can't go from ${entry.state} to ${to}`);
    this.#inState[entry.state]--;
    this.#inState[to]++;
    const record: Changeable = entry;
    record.state = to;
  }

  /** What may be taken has changed. */
  wake(): void {
    for (const resume of this.#listeners) resume();
  }
}
