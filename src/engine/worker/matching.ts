import { fitting } from "../fitting.ts";
import type { EntryFilter } from "../where.ts";
import type { Delivery, Verdict } from "./types.ts";

/**
 * The verdicts of entries that `--where` leaves no run: those that do not match are acked, and one on which a regular
 * expression runs away is dead-lettered, since it would stop every worker that meets it. When the signal aborts, what
 * has not been looked at has no verdict.
 */
export async function verdictsWithoutMatch(
  where: EntryFilter,
  deliveries: readonly Delivery[],
  signal: AbortSignal,
): Promise<Map<Delivery, Verdict>> {
  const verdicts = new Map<Delivery, Verdict>();
  const filter = { fits: ({ entry }: Delivery) => where.fits(entry), mayRunAway: where.mayRunAway };
  const fit = new Set(
    await fitting(deliveries, filter, {
      signal,
      nameOf: ({ entry }) => entry.id,
      runsAway: (delivery) => verdicts.set(delivery, RAN_AWAY),
    }),
  );
  if (signal.aborted) return verdicts;
  for (const delivery of deliveries)
    if (!fit.has(delivery) && !verdicts.has(delivery)) verdicts.set(delivery, { kind: "unmatched" });
  return verdicts;
}

const RAN_AWAY: Verdict = {
  kind: "dead",
  reason: "a regular expression of --where runs away on it",
  stderr: Buffer.alloc(0),
};
