import { ConnectionError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { keepAlive } from "../../redis/group-steps.ts";
import { addOnce } from "../../redis/ops/move.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { claimOf } from "./custody.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** How long a marker may be needed: until the entry of a worker that died between the two steps is taken. */
export const MARKER_TTL_MS = 24 * 60 * 60 * 1_000;
export interface FencedMove {
  readonly target: string;
  /** In the target's slot. Holds the word of the last to begin, and `1` when the entries have been added. */
  readonly marker: string;
  readonly ttlMs: number;
  readonly entries: readonly (readonly Buffer[])[];
}

/**
 * Adds entries to a stream of another slot for a delivery that is still this worker's (see scripts/add-once.ts):
 *   1. begin              – a crash here, or a pause of any length: nothing has happened
 *   2. still ours?        – the same
 *   3. entries + marker   – only if none has begun since. A crash here: the entry is pending, the marker keeps the
 *                           next try from adding a second time
 * The caller acks, and removes the marker. Undefined when the entries are there, by this call or an earlier one;
 * otherwise one of `Owned`, and nothing was added. An orphaned delivery is nobody else's.
 */
export async function addFenced(
  connection: Connection,
  settings: WorkerSettings,
  delivery: Delivery,
  move: FencedMove,
): Promise<number | undefined> {
  try {
    return await addInSteps(connection, settings, delivery, move);
  } catch (error) {
    if (!(error instanceof ConnectionError) || !error.sent) throw error;
    // Whatever was done can be done again: it is not the entry's verdict whose reply was lost.
    throw new ConnectionError(error.message, { cause: error });
  }
}

async function addInSteps(
  connection: Connection,
  settings: WorkerSettings,
  delivery: Delivery,
  move: FencedMove,
): Promise<number | undefined> {
  const { outcome } = await addOnce(connection, move, async () => {
    if (delivery.orphaned) return undefined;
    const claim = claimOf(delivery, settings);
    const [owned = Owned.notPending] = await keepAlive(connection, delivery.stream, settings, [claim]);
    if (owned === Owned.orphaned) delivery.orphaned = true;
    else if (owned !== Owned.done) return String(owned);
    return undefined;
  });
  return outcome === "added" || outcome === "before" ? undefined : Number(outcome);
}
