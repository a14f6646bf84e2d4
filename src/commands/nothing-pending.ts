import type { GroupName, StreamKey } from "../entry/names.ts";
/** Said where no entry is found: that none is pending, or that none of those that are was meant. */
export function nothingPending(
  stream: StreamKey,
  group: GroupName,
  total: number,
  consumer?: string,
): string {
  if (total === 0) return `nothing is pending on ${stream} for ${group}`;
  const of = consumer === undefined ? "fits" : `is ${consumer}'s and fits`;
  return `none of ${total} pending on ${stream} for ${group} ${of}`;
}
