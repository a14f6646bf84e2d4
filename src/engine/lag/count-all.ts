import type { Connection } from "../../redis/connection.ts";
import { eachAtMost } from "../each-at-most.ts";
import { type Count, countUndelivered } from "./count-undelivered.ts";
import type { FoundGroup } from "./find-groups.ts";
import { knownLag } from "./known-lag.ts";

/** Groups whose entries are counted side by side. */
const COUNTS_AT_ONCE = 16;

/** The lag of each group, asking and counting no more than needed. `trusted`: see serverCountsRight. */
export async function countAll(
  connection: Connection,
  groups: readonly FoundGroup[],
  trusted: () => Promise<boolean>,
  { countLimit: limit, signal }: { readonly countLimit: number; readonly signal: AbortSignal },
): Promise<Count[]> {
  const counts = groups.map(({ info, group }) => exactly(knownLag(info, group, undefined)));
  const open = counts.flatMap((count, index) => (count === undefined ? [index] : []));
  if (open.length > 0) {
    const right = await trusted();
    await eachAtMost(COUNTS_AT_ONCE, open, async (index) => {
      const { stream, info, group } = groups[index] as FoundGroup;
      const { lastDeliveredId } = group;
      counts[index] =
        exactly(knownLag(info, group, right)) ??
        (await countUndelivered(connection, stream, { lastDeliveredId, found: info, limit }, signal));
    });
  }
  return counts as Count[];
}

function exactly(lag: number | undefined): Count | undefined {
  return lag === undefined ? undefined : { count: lag, exact: true };
}
