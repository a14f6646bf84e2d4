import { ServerError } from "../../errors.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import type { ReplayNote } from "../../redis/ops/replay-notes.ts";
import type { Streams } from "../../redis/ops/streams.ts";

/** For so long it is known how often an entry has been replayed, and what is not to be replayed again. */
export const MEMORY_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * What stands beside a stream that letters are replayed to (see redis/ops/replay.ts). Undefined for a
 * name that allows no other key in its slot.
 */
export function replayMemory(
  stream: string,
  cluster: boolean,
): { readonly notes: string; readonly marks: string } | undefined {
  const notes = siblingKey(stream, ":replays", cluster);
  const marks = siblingKey(stream, ":replayed", cluster);
  return sameSlot(stream, notes, cluster) ? { notes, marks } : undefined;
}

const NONE: ReplayNote = { replays: 0, deliveries: 0 };

/**
 * How often the entry of this ID that the group is given has been replayed, and how often it had been delivered
 * before. A user who may not read the notes is told 0: dead-lettering matters more.
 */
export async function replayedBefore(
  streams: Pick<Streams, "replayNote" | "cluster">,
  stream: string,
  group: string,
  id: string,
): Promise<ReplayNote> {
  const memory = replayMemory(stream, streams.cluster);
  if (memory === undefined) return NONE;
  try {
    return (await streams.replayNote(memory.notes, group, id)) ?? NONE;
  } catch (error) {
    if (error instanceof ServerError && (error.code === "NOPERM" || error.code === "WRONGTYPE")) return NONE;
    throw error;
  }
}
