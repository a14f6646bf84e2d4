import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { sleep } from "../../lib/timer.ts";
import { StreamctlError } from "../../errors.ts";
import { ask } from "../../redis/ops/ask.ts";
import { shellWord } from "../groups/missing.ts";
import { countAll } from "../lag/count-all.ts";
import { type Asker, findGroups } from "../lag/find-groups.ts";
import { LagMemory } from "../lag/lag-memory.ts";

export interface LagRule {
  readonly group: GroupName;
  /** Nothing is sent while the group has more than this to be given. */
  readonly most: number;
}

/** What holds a run up: the group is this far behind on this stream, or farther (`exact` false). */
export interface Backlog {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly lag: number;
  readonly exact: boolean;
}

/** Others may add to the stream, too: the last look is good for no longer than this. */
const GOOD_FOR_MS = 1_000;
/** So many entries are counted in one step, sooner than is learnt whether an earlier count still holds. */
const COUNTED_EACH_TIME = 1_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

/**
 * Keeps a group's lag at bay. An entry adds at most one to it, so a look at a lag of 400 with 1,000 allowed
 * is good for 601 entries; only then, or after a second, the next look is due.
 */
export class LagGate {
  readonly #connection: Connection;
  readonly #streams: readonly StreamKey[];
  readonly #rule: LagRule;
  readonly #signal: AbortSignal;
  readonly #onWait: (backlog: Backlog | undefined) => void;
  readonly #asker: Asker;
  readonly #memory: LagMemory | undefined;
  #left = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** `onWait` hears what is waited for, and undefined when it goes on. */
  constructor(
    connection: Connection,
    options: {
      readonly streams: readonly StreamKey[];
      readonly rule: LagRule;
      readonly signal: AbortSignal;
      readonly onWait: (backlog: Backlog | undefined) => void;
    },
  ) {
    this.#connection = connection;
    this.#asker = (questions) => ask(connection, undefined, questions);
    this.#streams = options.streams;
    this.#rule = options.rule;
    this.#memory = options.rule.most > COUNTED_EACH_TIME ? new LagMemory() : undefined;
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
    const all = await this.#backlogs();
    const worst = all.reduce((most, backlog) => (backlog.lag > most.lag ? backlog : most));
    // A bound that was reached after a signal says nothing.
    this.#left = worst.exact || worst.lag > this.#rule.most ? this.#rule.most + 1 - worst.lag : 0;
    this.#lookedAt = performance.now();
    return worst;
  }

  /** Counts no farther than it takes to know that it is too much. */
  async #backlogs(): Promise<Backlog[]> {
    const { group, most } = this.#rule;
    const streams = this.#streams;
    const named = new Set(streams);
    await this.#memory?.begin(this.#connection);
    const found = await findGroups(this.#connection, this.#asker, streams, { named, group }).catch(
      (error: unknown) => {
        throw error instanceof StreamctlError && error.kind === "notFound" ? this.#missing(error) : error;
      },
    );
    const counts = await countAll(this.#connection, this.#asker, found, {
      named,
      countLimit: most + 1,
      decide: [most],
      memory: this.#memory,
      signal: this.#signal,
    });
    return found.map(({ stream }, index) => {
      const { count = 0, exact = false } = counts[index] ?? {};
      return { stream, group, lag: count, exact };
    });
  }

  /** The same with the command that makes what is missing, on every stream of the run. */
  #missing({ message }: StreamctlError): StreamctlError {
    const create = `streamctl group create ${listed(this.#streams)} ${shellWord(this.#rule.group)}`;
    const hint = `--wait-lag needs the group on each stream: ${create} --mkstream --if-missing`;
    return new StreamctlError("notFound", message, { hint });
  }
}

/** More names than this are made by `seq`. */
const LISTED = 8;

/** Streams as arguments of a shell's command; many of them are partitions, which are numbered. */
function listed(streams: readonly StreamKey[]): string {
  const base = streams[0]?.replace(/0$/, "") ?? "";
  if (streams.length <= LISTED || !/^[\w@+=:,./-]+$/.test(base)) return streams.map(shellWord).join(" ");
  return `$(seq -f '${base}%g' 0 ${streams.length - 1})`;
}
