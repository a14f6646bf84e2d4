import { errorText } from "../../errors.ts";
import { sleep } from "../../redis/backoff.ts";
import type { Connection } from "../../redis/connection.ts";
import { keepAlive } from "../../redis/group-steps.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import type { Hands } from "./hands.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** So many IDs a script call: a fraction of a millisecond of the server's time. */
const BATCH = 200;

/**
 * Keeps what is in hand from being taken over: three beats in every claimIdle, so that two may fail. An
 * entry found with another owner is marked lost; it is not stolen back.
 */
export async function heartbeatLoop(
  connection: Connection,
  settings: WorkerSettings,
  hands: Hands,
  observer: WorkerObserver,
  signal: AbortSignal,
): Promise<void> {
  const everyMs = Math.max(20, settings.claimIdleMs / 3);
  for (;;) {
    await sleep(everyMs, signal);
    if (signal.aborted) return;
    try {
      for (const stream of settings.streams) await beat(connection, settings, hands, stream);
    } catch (error) {
      // The link or the group is gone for now; the reading side says so, and the next beat tries again.
      observer.notice("detail", `heartbeat failed: ${errorText(error)}`);
    }
  }
}

async function beat(
  connection: Connection,
  settings: WorkerSettings,
  hands: Hands,
  stream: string,
): Promise<void> {
  const held = [...hands.of(stream)].filter((delivery) => !delivery.lost);
  for (let at = 0; at < held.length; at += BATCH) {
    const batch = held.slice(at, at + BATCH);
    const answers = await keepAlive(
      connection,
      stream,
      settings,
      batch.map(({ entry }) => entry.id),
    );
    for (const [i, delivery] of batch.entries()) {
      if (answers[i] === Owned.takenByOther) delivery.lost = true;
    }
  }
}
