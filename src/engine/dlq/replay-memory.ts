import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { asNumber } from "../../redis/value.ts";

/** For so long it is known how often an entry has been replayed, and which letters are not to be replayed again. */
export const MEMORY_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * The sorted set beside a stream that remembers what was replayed into it (see redis/scripts/replay.ts);
 * undefined for a name that allows no other key in its slot.
 */
export function replayMemory(stream: string, cluster: boolean): string | undefined {
  const key = siblingKey(stream, ":replays", cluster);
  return sameSlot(stream, key, cluster) ? key : undefined;
}

/**
 * How often an entry had been replayed before it got this ID. That is written in one step with the entry
 * and never changes, so it needs no step of its own with what it is read for. A user who may not read the
 * memory is told 0: dead-lettering matters more.
 */
export async function replaysOf(connection: Connection, stream: string, id: string): Promise<number> {
  const memory = replayMemory(stream, connection.cluster);
  if (memory === undefined) return 0;
  try {
    const score = await connection.call("ZSCORE", memory, id);
    return score === null ? 0 : asNumber(score) % 1_024;
  } catch (error) {
    if (error instanceof ServerError && (error.code === "NOPERM" || error.code === "WRONGTYPE")) return 0;
    throw error;
  }
}
