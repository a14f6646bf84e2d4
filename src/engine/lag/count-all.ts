import type { EntryId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import { eachAtMost } from "../each-at-most.ts";
import type { Count } from "./count-between.ts";
import { type Asker, type FoundGroup, leftOut } from "./find-groups.ts";
import { GroupCounter } from "./group-counter.ts";
import { difference, type LagMemory } from "./lag-memory.ts";
import { provenLag } from "./proven-lag.ts";

/** Groups whose entries are counted side by side. */
const COUNTS_AT_ONCE = 16;
/** Entries on each side that a first step looks at, of many in a row: a tenth of a millisecond. */
const FIRST_STEP = 100;
/** The same for every later step. */
const STEP = 1_000;
/** So many entries of a group whose lag is known are counted anew at one look: about 10 ms. */
const RECOUNTED = 10_000;

export interface CountRequest {
  /** Streams that must be there; any other one may vanish while we look. */
  readonly named: ReadonlySet<string>;
  /** After so many entries ahead of a group's position counting stops for this look. */
  readonly countLimit: number;
  /** The same for all groups together, beyond the first step of each; used up as it goes. Default: no limit. */
  readonly budget?: CountBudget | undefined;
  /** Whether a lag is above one of these is found out in any case. */
  readonly decide?: readonly number[] | undefined;
  /** What earlier looks have counted. */
  readonly memory?: LagMemory | undefined;
  readonly signal: AbortSignal;
}

export interface CountBudget {
  left: number;
}

export interface CountedGroup extends Count {
  /** The first entry the group has not been given; undefined when there is none. */
  readonly oldestUndeliveredId: EntryId | undefined;
}

/**
 * The lag of each group, proven or counted, or as a bound; undefined for a stream that has gone. What is
 * short on either side of the group's position takes one round trip for all groups, the rest more.
 */
export async function countAll(
  connection: Connection,
  asker: Asker,
  groups: readonly FoundGroup[],
  request: CountRequest,
): Promise<(CountedGroup | undefined)[]> {
  const { memory, countLimit, named } = request;
  const counters = groups.map((found) => provenLag(found.info, found.group) ?? new GroupCounter(found));
  const first = Math.max(1, Math.min(FIRST_STEP, countLimit));
  await Promise.all([
    asker(counters.flatMap((counter) => (counter instanceof GroupCounter ? [counter.question(first)] : []))),
    memory?.confirm(connection),
  ]);
  // Where the server did not know the script, or does not let this user run one.
  const unanswered = counters.filter((counter) => counter instanceof GroupCounter && !counter.started);
  await eachAtMost(COUNTS_AT_ONCE, unanswered as GroupCounter[], (counter) =>
    counter.step(connection, first),
  );
  const counts = counters.map((counter) =>
    counter instanceof GroupCounter ? new Counting(counter, memory) : undefined,
  );
  await goOn(
    connection,
    counts.filter((counting) => counting !== undefined),
    request,
  );
  const counted: (CountedGroup | undefined)[] = [];
  for (const [index, found] of groups.entries()) {
    const counting = counts[index];
    counted.push(
      counting?.error
        ? await leftOut(connection, found, named, counting.error)
        : settled(found, counting ?? (counters[index] as number), memory),
    );
  }
  return counted;
}

/** What has come of a group's count, or was proven. */
function settled(
  found: FoundGroup,
  counting: Counting | number,
  memory: LagMemory | undefined,
): CountedGroup {
  if (typeof counting === "number") {
    memory?.know(found, counting);
    return {
      count: counting,
      exact: true,
      oldestUndeliveredId: counting > 0 ? found.info.firstId : undefined,
    };
  }
  const { count, exact } = counting.settle(memory);
  if (exact && !counting.byDifference) memory?.know(found, count);
  return { count, exact, oldestUndeliveredId: counting.oldestId };
}

/** Counts on, a step of each group in turn, as far as the request allows or asks for. */
async function goOn(
  connection: Connection,
  all: readonly Counting[],
  { countLimit, budget, decide = [], signal }: CountRequest,
): Promise<void> {
  let open = all;
  for (;;) {
    open = open.filter((one) => {
      if (one.recounts) return one.counted < RECOUNTED && (budget?.left ?? 1) > 0;
      if (one.done) return false;
      if (decide.some((limit) => one.atLeast <= limit && one.most > limit)) return true;
      return one.counted < countLimit && (budget?.left ?? 1) > 0;
    });
    if (open.length === 0 || signal.aborted) return;
    await eachAtMost(COUNTS_AT_ONCE, open, async (one) => {
      if (signal.aborted) return;
      if (budget) budget.left -= STEP;
      await one.step(connection, STEP);
    });
  }
}

/** One group's count at this look. It may go on with what an earlier look has begun. */
class Counting {
  readonly #fresh: GroupCounter;
  /** The one that is stepped: the fresh one, or an earlier one. */
  readonly #going: GroupCounter;
  /** What the lag has changed by since the earlier one began. */
  readonly #since: number;
  readonly #from: number;
  readonly #known: number | undefined;
  readonly #recounting: GroupCounter | undefined;

  constructor(fresh: GroupCounter, memory: LagMemory | undefined) {
    this.#fresh = fresh;
    this.#known = fresh.done ? undefined : memory?.lagOf(fresh.found);
    this.#recounting = this.#known === undefined ? undefined : memory?.recountOf(fresh);
    const earlier = this.#recounting ?? (fresh.done ? undefined : memory?.counterOf(fresh.found));
    const since = earlier && difference(earlier.found, fresh.found);
    this.#going = earlier && since !== undefined ? earlier : fresh;
    this.#since = since ?? 0;
    this.#from = this.#going === fresh ? 0 : this.#going.count.count;
  }

  /** Its lag is known, and it is counted all the same. */
  get recounts(): boolean {
    return this.#recounting !== undefined && !this.#recounting.done;
  }

  /** What it settles for is known by differences alone. */
  get byDifference(): boolean {
    return this.#known !== undefined && this.#recounting?.done !== true;
  }

  get error(): GroupCounter["error"] {
    return this.#fresh.error ?? this.#going.error;
  }

  get oldestId(): EntryId | undefined {
    return this.#fresh.oldestId;
  }

  get done(): boolean {
    return this.#known !== undefined || this.#fresh.done || this.#going.done;
  }

  /** Entries counted at this look. */
  get counted(): number {
    return this.#going.count.count - this.#from;
  }

  get atLeast(): number {
    return Math.max(this.#fresh.count.count, this.#going.count.count + this.#since);
  }

  get most(): number {
    return Math.min(this.#fresh.most, this.#going.most + this.#since);
  }

  step(connection: Connection, most: number): Promise<void> {
    return this.#going.step(connection, most);
  }

  /** What has come of it. What is not done is left with the memory for the next look. */
  settle(memory: LagMemory | undefined): Count {
    const [fresh, going] = [this.#fresh, this.#going];
    if (fresh.done) return fresh.count;
    if (this.#known !== undefined && this.byDifference) {
      memory?.goOn(fresh.found, this.#known);
      return { count: this.#known, exact: true };
    }
    if (going.done) return { count: Math.max(0, going.count.count + this.#since), exact: true };
    memory?.keep(going);
    return { count: this.atLeast, exact: false };
  }
}
