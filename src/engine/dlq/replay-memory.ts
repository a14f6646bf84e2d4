import { compareIds, idMs } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { asList, asText } from "../../redis/value.ts";

/** For so long it is known how often an entry has been replayed, and what is not to be replayed again. */
export const MEMORY_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * What stands beside a stream that letters are replayed to (see redis/scripts/replay.ts). Undefined for a
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

/** More runs of IDs than this do not begin in one millisecond. */
const RUNS = 64;

/**
 * How often an entry had been replayed before it got this ID. That is noted in one step with the entry and
 * never changes, so it needs no step of its own with what it is read for. A user who may not read the notes
 * is told 0: dead-lettering matters more.
 */
export async function replaysOf(connection: Connection, stream: string, id: string): Promise<number> {
  const memory = replayMemory(stream, connection.cluster);
  if (memory === undefined) return 0;
  try {
    const range = [idMs(id), "-inf", "LIMIT", 0, RUNS] as const;
    const runs = asList(await connection.call("ZREVRANGEBYSCORE", memory.notes, ...range)).map(asText);
    for (const run of runs) {
      const [first = "", last = "", replays] = run.split(" ");
      if (compareIds(first, id) <= 0 && compareIds(id, last) <= 0) return Number(replays);
    }
    return 0;
  } catch (error) {
    if (error instanceof ServerError && (error.code === "NOPERM" || error.code === "WRONGTYPE")) return 0;
    throw error;
  }
}
