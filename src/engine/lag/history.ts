import type { GroupLook } from "./lag.ts";

/** How fast a group's backlog changes. Null is unknown: a rate needs two looks, and counters that the server keeps. */
export interface GroupRates {
  /** Entries added to the stream. */
  readonly inPerSecond: number | null;
  /** Entries given to the group. */
  readonly outPerSecond: number | null;
  /** How long until the lag is 0 at these rates; null also while it does not shrink. */
  readonly drainMs: number | null;
}

interface Sample {
  readonly atMs: number;
  readonly look: GroupLook;
}

/** Rates are those of about so long: one refresh alone would jump. */
const WINDOW_MS = 10_000;
/** A sparkline has so many points at most. */
const KEPT = 60;

/** The last looks at each group. What a look no longer shows is forgotten. */
export class LagHistory {
  #groups = new Map<string, Sample[]>();

  /** `atMs`: a clock that never goes back. */
  add(looks: readonly GroupLook[], atMs: number): void {
    const groups = new Map<string, Sample[]>();
    for (const look of looks) {
      const key = keyOf(look);
      const samples = this.#groups.get(key) ?? [];
      samples.push({ atMs, look });
      if (samples.length > KEPT) samples.shift();
      groups.set(key, samples);
    }
    this.#groups = groups;
  }

  /** The lags seen, the oldest first; a bound where no more was known. */
  lagsOf(group: Pick<GroupLook, "stream" | "group">): number[] {
    return this.#samplesOf(group).map(({ look }) => look.lag ?? look.lagAtLeast ?? 0);
  }

  ratesOf(group: Pick<GroupLook, "stream" | "group">): GroupRates {
    const samples = this.#samplesOf(group);
    const last = samples.at(-1);
    const first = last && samples.find(({ atMs }) => last.atMs - atMs <= WINDOW_MS);
    if (!first || !last) return { inPerSecond: null, outPerSecond: null, drainMs: null };
    const perSecond = (count: number | null): number | null =>
      count === null || last === first ? null : (count * 1_000) / (last.atMs - first.atMs);
    const inPerSecond = perSecond(risen(first.look.entriesAdded, last.look.entriesAdded));
    const outPerSecond = perSecond(given(first.look, last.look));
    return { inPerSecond, outPerSecond, drainMs: drainMs(last.look.lag, inPerSecond, outPerSecond) };
  }

  #samplesOf(group: Pick<GroupLook, "stream" | "group">): readonly Sample[] {
    return this.#groups.get(keyOf(group)) ?? [];
  }
}

/** How many entries the group was given between two looks. */
function given(first: GroupLook, last: GroupLook): number | null {
  const read = risen(first.entriesRead, last.entriesRead);
  if (read !== null) return read;
  // Without that counter: what came and is not waiting. Trimmed entries would pass for given ones.
  const added = risen(first.entriesAdded, last.entriesAdded);
  if (added === null || first.lag === null || last.lag === null || first.firstId !== last.firstId)
    return null;
  return Math.max(0, added - (last.lag - first.lag));
}

/** A counter that has gone back was set anew: the stream was deleted, or the group moved. */
function risen(before: number | null, after: number | null): number | null {
  return before === null || after === null || after < before ? null : after - before;
}

function drainMs(lag: number | null, into: number | null, out: number | null): number | null {
  if (lag === 0) return 0;
  if (lag === null || into === null || out === null || out <= into) return null;
  return (lag / (out - into)) * 1_000;
}

function keyOf({ stream, group }: Pick<GroupLook, "stream" | "group">): string {
  return JSON.stringify([stream, group]);
}
