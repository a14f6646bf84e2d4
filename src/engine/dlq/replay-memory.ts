import { compareIds, idMs } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { type ReplayNote, readRevivalScore, revivalMember } from "../../redis/scripts/replay-notes.ts";
import { asList, asNumber, asText } from "../../redis/value.ts";

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

/** So many runs of IDs are looked at in one round trip. */
const PAGE = 64;

const NONE: ReplayNote = { replays: 0, deliveries: 0 };

/**
 * How often the entry of this ID that the group is given has been replayed, and how often it had been delivered
 * before. That is noted in one step with the replay and does not change while the entry is out, so it needs no
 * step of its own with what it is read for. A user who may not read the notes is told 0: dead-lettering matters more.
 */
export async function replayNote(
  connection: Connection,
  stream: string,
  group: string,
  id: string,
): Promise<ReplayNote> {
  const memory = replayMemory(stream, connection.cluster);
  if (memory === undefined) return NONE;
  try {
    const [score, run] = await Promise.all([
      connection.call("ZSCORE", memory.notes, revivalMember(id, group)),
      runOf(connection, memory.notes, id),
    ]);
    // It was added before it was made pending again.
    return score === null ? (run ?? NONE) : readRevivalScore(asNumber(score));
  } catch (error) {
    if (error instanceof ServerError && (error.code === "NOPERM" || error.code === "WRONGTYPE")) return NONE;
    throw error;
  }
}

/**
 * What is noted of the run of IDs that this one is in. Runs don't overlap, so it is one of those that begin last
 * before it: in its own millisecond, or else in the next one before that; within one they are in no order.
 */
async function runOf(connection: Connection, notes: string, id: string): Promise<ReplayNote | undefined> {
  const milliseconds = new Set<number>();
  for (let offset = 0; ; offset += PAGE) {
    const range = [idMs(id), 0, "LIMIT", offset, PAGE] as const;
    const runs = asList(await connection.call("ZREVRANGEBYSCORE", notes, ...range)).map(asText);
    for (const run of runs) {
      const [first = "", last = "", replays, deliveries] = run.split(" ");
      milliseconds.add(idMs(first));
      if (milliseconds.size > 2) return undefined;
      if (compareIds(first, id) <= 0 && compareIds(id, last) <= 0)
        return { replays: Number(replays), deliveries: Number(deliveries ?? 0) };
    }
    if (runs.length < PAGE) return undefined;
  }
}
