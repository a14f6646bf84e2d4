import { randomBytes } from "node:crypto";
import { ConnectionError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { addLargeOnce, Overtaken } from "../../redis/add-large.ts";
import type { Connection } from "../../redis/connection.ts";
import { keepAlive } from "../../redis/group-steps.ts";
import { addOnce, beginMove } from "../../redis/scripts/add-once.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import { claimOf } from "./custody.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** How long a marker may be needed: until the entry of a worker that died between the two steps is taken. */
export const MARKER_TTL_MS = 24 * 60 * 60 * 1_000;
/** A move that was begun and takes longer than this is begun again. */
const BEGUN_MS = 60_000;
/** Two that overtake each other wait for times that differ. */
const AGAIN_MS = 50;

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
  { target, marker, ttlMs, entries }: FencedMove,
): Promise<number | undefined> {
  for (;;) {
    const word = randomBytes(9).toString("base64");
    if ((await connection.run(beginMove, [marker], [word, BEGUN_MS])) === 0) return undefined;
    if (!delivery.orphaned) {
      const claim = claimOf(delivery, settings);
      const [owned = Owned.notPending] = await keepAlive(connection, delivery.stream, settings, [claim]);
      if (owned === Owned.orphaned) delivery.orphaned = true;
      else if (owned !== Owned.done) return owned;
    }
    if (await add(word)) return undefined;
    await sleep(Math.random() * AGAIN_MS);
  }

  /** False when another has begun since. */
  async function add(word: string): Promise<boolean> {
    const [first = []] = entries;
    if (first.length <= MAX_SCRIPT_VALUES) {
      const values = entries.flatMap((fields) => [fields.length, ...fields]);
      return (await connection.run(addOnce, [target, marker], [word, ttlMs, ...values])) !== -1;
    }
    try {
      await addLargeOnce(connection, target, { key: marker, ttlMs, begun: word }, first);
      return true;
    } catch (error) {
      if (error instanceof Overtaken) return false;
      throw error;
    }
  }
}
