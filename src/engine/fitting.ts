import { StreamctlError } from "../errors.ts";
import { timeLimit } from "../lib/time-limit.ts";

/** A test of one item. One with a regular expression may run for ever on the wrong text. */
export interface Filter<T> {
  readonly fits: (item: T) => boolean;
  readonly mayRunAway: boolean;
  /** Hears how many items are looked at. */
  readonly onLooked?: ((count: number) => void) | undefined;
}

/** A page that takes longer is looked at item by item. */
const PAGE_MS = 250;
/** So long one item may take. */
const ITEM_MS = 1_000;

/**
 * The items that fit. A regular expression that runs away is stopped: the signal is looked at after one item at
 * most, and one on which it takes longer than a second is an error that says `nameOf` it, or is left to `runsAway`.
 */
export async function fitting<T>(
  items: readonly T[],
  filter: Filter<T>,
  options: {
    readonly signal: AbortSignal;
    readonly nameOf: (item: T) => string;
    readonly runsAway?: (item: T) => void;
  },
): Promise<T[]> {
  filter.onLooked?.(items.length);
  if (!filter.mayRunAway) return items.filter(filter.fits);
  const within = await timeLimit();
  const all = within(PAGE_MS, () => items.filter(filter.fits));
  if (all !== undefined) return all;
  const { nameOf, runsAway = (item) => fail(nameOf(item)) } = options;
  const found: T[] = [];
  for (const item of items) {
    // Lets a signal be heard.
    await new Promise((resolve) => void setImmediate(resolve));
    if (options.signal.aborted) break;
    const fits = within(ITEM_MS, () => filter.fits(item));
    if (fits === undefined) runsAway(item);
    if (fits) found.push(item);
  }
  return found;
}

function fail(name: string): never {
  throw new StreamctlError("failed", `the regular expression runs away on ${name}`, {
    hint: "it must not repeat what repeats, as (a+)+ does",
  });
}
