import type { Connection } from "../../redis/connection.ts";
import { sleep } from "../../lib/timer.ts";
import { groupInfos, streamInfo } from "../../redis/streams/info.ts";
import { explain, noGroup } from "../groups/missing.ts";
import { countUndelivered } from "../lag/count-undelivered.ts";
import { knownLag } from "../lag/known-lag.ts";
import { serverCountsRight } from "../lag/server-counts.ts";

export interface LagRule {
  readonly group: string;
  /** Nothing is sent while the group has more than this to be given. */
  readonly most: number;
}

/** What holds a run up: the group is this far behind on this stream, or farther (`exact` false). */
export interface Backlog {
  readonly stream: string;
  readonly group: string;
  readonly lag: number;
  readonly exact: boolean;
}

/** Others may add to the stream, too: the last look is good for no longer than this. */
const GOOD_FOR_MS = 1_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

/**
 * Keeps a group's lag at bay. An entry adds at most one to it, so a look at a lag of 400 with 1,000 allowed
 * is good for 601 entries; only then, or after a second, the next look is due.
 */
export class LagGate {
  readonly #connection: Connection;
  readonly #streams: readonly string[];
  readonly #rule: LagRule;
  readonly #signal: AbortSignal;
  readonly #onWait: (backlog: Backlog | undefined) => void;
  #left = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #countsRight: Promise<boolean> | undefined;

  /** `onWait` hears what is waited for, and undefined when it goes on. */
  constructor(
    connection: Connection,
    options: {
      readonly streams: readonly string[];
      readonly rule: LagRule;
      readonly signal: AbortSignal;
      readonly onWait: (backlog: Backlog | undefined) => void;
    },
  ) {
    this.#connection = connection;
    this.#streams = options.streams;
    this.#rule = options.rule;
    this.#signal = options.signal;
    this.#onWait = options.onWait;
  }

  /** Lets one entry pass and counts it; false when none may before `wait` has returned. */
  take(): boolean {
    if (this.#left <= 0 || performance.now() - this.#lookedAt > GOOD_FOR_MS) return false;
    this.#left--;
    return true;
  }

  /**
   * Returns when there is room or the signal aborts. Every entry sent must have its answer before, or it
   * would not be counted. Fails with exit 4 when the group is not there.
   */
  async wait(): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    let waiting = false;
    while (!this.#signal.aborted) {
      const worst = await this.look();
      if (this.#left > 0) break;
      waiting = true;
      this.#onWait(worst);
      await sleep(waitMs, this.#signal);
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
    }
    if (waiting) this.#onWait(undefined);
  }

  /** Learns how much may be sent; returns where the group is farthest behind. */
  async look(): Promise<Backlog> {
    const all = await Promise.all(this.#streams.map((stream) => this.#lagOf(stream)));
    const worst = all.reduce((most, backlog) => (backlog.lag > most.lag ? backlog : most));
    this.#left = this.#rule.most + 1 - worst.lag;
    this.#lookedAt = performance.now();
    return worst;
  }

  /** Counts no farther than it takes to know that it is too much. */
  async #lagOf(stream: string): Promise<Backlog> {
    const { group, most } = this.#rule;
    try {
      // In this order: see knownLag.
      const [groups, info] = await Promise.all([
        groupInfos(this.#connection, stream),
        streamInfo(this.#connection, stream),
      ]);
      const found = groups.find(({ name }) => name === group);
      if (found === undefined) {
        const names = groups.map(({ name }) => name);
        throw noGroup(stream, group, names);
      }
      const known =
        knownLag(info, found, undefined) ?? knownLag(info, found, await this.#serverCountsRight());
      if (known !== undefined) return { stream, group, lag: known, exact: true };
      const request = { lastDeliveredId: found.lastDeliveredId, found: info, limit: most + 1 };
      const { count, exact } = await countUndelivered(this.#connection, stream, request, this.#signal);
      return { stream, group, lag: count, exact };
    } catch (error) {
      throw await explain(this.#connection, stream, undefined, error);
    }
  }

  #serverCountsRight(): Promise<boolean> {
    return (this.#countsRight ??= serverCountsRight(this.#connection));
  }
}
