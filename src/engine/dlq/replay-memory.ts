import type { StreamKey } from "../../entry/names.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";

/** For so long it is known how often an entry has been replayed, and what is not to be replayed again. */
export const MEMORY_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * What stands beside a stream that letters are replayed to (see redis/ops/replay.ts). Undefined for a
 * name that allows no other key in its slot.
 */
export function replayMemory(
  stream: StreamKey,
  cluster: boolean,
): { readonly notes: string; readonly marks: string } | undefined {
  const notes = siblingKey(stream, ":replays", cluster);
  const marks = siblingKey(stream, ":replayed", cluster);
  return sameSlot(stream, notes, cluster) ? { notes, marks } : undefined;
}
