import type { EntryId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import type { LinkListener } from "./pipelines.ts";
import { type RangeRequest, readRange } from "./range.ts";

/**
 * The ID of the oldest of the newest `count` entries of a range that the filter lets through; undefined when there is
 * none. Reads backward, and keeps no entry: what begins there is then read in its order.
 */
export async function startOfLast(
  connection: Connection,
  request: Omit<RangeRequest, "reverse" | "count">,
  count: number,
  options: { readonly signal: AbortSignal; readonly link: LinkListener },
): Promise<EntryId | undefined> {
  let oldest: EntryId | undefined;
  const pages = readRange(connection, { ...request, reverse: true, count }, options);
  for await (const page of pages) oldest = page.at(-1)?.entries.at(-1)?.id ?? oldest;
  return oldest;
}
