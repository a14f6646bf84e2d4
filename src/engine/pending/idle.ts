import { type EntryId, idMs } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied } from "../../redis/errors.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { serverNowMs } from "../../redis/ops/server.ts";

/** The server's clock in ms, for as long as a command runs; null for a user who may not read it. */
export async function serverClock(connection: Connection): Promise<() => number | null> {
  try {
    const offsetMs = (await serverNowMs(connection)) - performance.now();
    return () => Math.round(performance.now() + offsetMs);
  } catch (error) {
    if (isDenied(error)) return () => null;
    throw error;
  }
}

/** No entry has been idle for so long: no server is so old, and a replay sets its entries to 1970. */
const LONGEST_MS = 10 * 365 * 86_400_000;
/** Clocks of clients that give IDs may be behind by this. */
const MARGIN_MS = 1_000;

/**
 * How long a pending entry has really been idle; null when that is not known, because somebody has set its idle
 * time: a worker that left it for a retry, handed it back, or replayed it. That is certain when it is longer
 * than the entry is old. A nowMs of null, where the server's clock may not be read, finds only the longest ones.
 */
export function livedIdleMs(
  { id, idleMs }: Pick<PendingRow, "id" | "idleMs">,
  nowMs: number | null,
): number | null {
  if (idleMs > LONGEST_MS) return null;
  const ageMs = entryAgeMs(id, nowMs);
  return ageMs !== null && idleMs > ageMs + MARGIN_MS ? null : idleMs;
}

/** How long ago an entry was added, by its ID; null when that is no time of this century, or nothing is known. */
export function entryAgeMs(id: EntryId, nowMs: number | null): number | null {
  if (nowMs === null) return null;
  const ageMs = nowMs - idMs(id);
  return ageMs < 0 || ageMs > LONGEST_MS * 2.5 ? null : ageMs;
}
