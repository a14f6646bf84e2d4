import { ConnectionError } from "../../errors.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Custody } from "./custody.ts";
import type { Hands } from "./hands.ts";
import type { Intake } from "./intake.ts";
import type { OutageGuard } from "./outage-guard.ts";
import type { Pacer } from "./pacer.ts";
import type { Reclaimer } from "./reclaimer.ts";
import type { Tally } from "./tally.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** A read waits no longer than this at once, so that retries, take-overs and a dead peer are noticed. */
export const MAX_BLOCK_MS = 1_000;
/** With an end to watch for, the last handler's end must be noticed soon. */
const ENDING_BLOCK_MS = 50;

/** After a lost reply so many times fewer entries are asked for, and again more as replies come. */
const LESS = 10;
const MORE = 2;

export interface SupplyParts {
  readonly streams: Streams;
  readonly settings: WorkerSettings;
  readonly intake: Intake;
  readonly reclaimer: Reclaimer;
  readonly custody: Custody;
  readonly hands: Hands;
  readonly guard: OutageGuard;
  readonly pacer: Pacer;
  readonly tally: Tally;
}

/** Decides how many entries may be taken when, where from, and when enough were. */
export class Supply {
  readonly #parts: SupplyParts;
  #lastActivity = performance.now();
  /** The last turn brought retries and take-overs: new entries come first in this one. */
  #newFirst = false;
  /** How many entries may be asked for at once: fewer after a reply that was lost, which may have been too large. */
  #most = Number.POSITIVE_INFINITY;
  /** The last read has brought nothing: the next one is likely to wait. */
  #quiet = false;

  constructor(parts: SupplyParts) {
    this.#parts = parts;
  }

  /** Something came, or a run ended: the time without work begins anew. */
  active(): void {
    this.#lastActivity = performance.now();
  }

  /** How many entries may be taken now. */
  places(): number | "finished" {
    const { settings, hands, guard, pacer, tally } = this.#parts;
    const free = pacer.allow(guard.allow(hands.free, hands.running, performance.now()));
    const { count } = settings.ends;
    if (count === undefined) return free;
    const left = count - tally.final;
    return left <= 0 ? "finished" : Math.max(0, Math.min(free, left - hands.count));
  }

  /** When a place may come free by itself, and not because a run has ended. */
  waitMs(): number | undefined {
    const { guard, pacer } = this.#parts;
    const waits = [guard.waitMs(performance.now()), pacer.waitMs()].filter((ms) => ms !== undefined);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /**
   * Due retries and take-overs, then new entries; while there are both they take turns at being first. Gives
   * nothing when there was nothing for a while.
   */
  async next(places: number): Promise<Delivery[] | "finished"> {
    const asked = Math.min(places, this.#most);
    try {
      const found = await this.#look(asked);
      if (found.length > 0) this.#most = Math.max(this.#most, asked * MORE);
      return found;
    } catch (error) {
      if (error instanceof ConnectionError && error.sent) this.#most = Math.max(1, Math.floor(asked / LESS));
      throw error;
    }
  }

  async #look(places: number): Promise<Delivery[] | "finished"> {
    const { settings, intake, reclaimer, custody, hands } = this.#parts;
    // A probe goes to what has failed before: each one of a new entry would leave one more waiting.
    if (this.#newFirst && !this.#parts.guard.paused) {
      this.#newFirst = false;
      const fresh = await intake.read(places, 0);
      if (fresh.length > 0) return fresh;
    }
    const due = await reclaimer.takeDue(places);
    this.#newFirst = due.length > 0;
    if (due.length > 0) return due;
    const idle = hands.count === 0;
    const { ends } = settings;
    if (idle && ends.untilEmpty) {
      const fresh = await intake.read(places, 0);
      if (fresh.length > 0) return fresh;
      if (await this.nothingPending()) return "finished";
    }
    if (idle && ends.idleMs !== undefined && performance.now() - this.#lastActivity >= ends.idleMs)
      return "finished";
    if (this.#quiet) await custody.checkWaiting();
    const fresh = await intake.read(places, this.#blockMs());
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

  #blockMs(): number {
    const { settings, reclaimer } = this.#parts;
    const { ends } = settings;
    const now = performance.now();
    const idleLeft =
      ends.idleMs === undefined ? Number.POSITIVE_INFINITY : this.#lastActivity + ends.idleMs - now;
    const most = ends.untilEmpty || ends.count !== undefined ? ENDING_BLOCK_MS : MAX_BLOCK_MS;
    return Math.max(1, Math.min(most, reclaimer.nextAt - now, Math.max(ENDING_BLOCK_MS, idleLeft)));
  }
}
