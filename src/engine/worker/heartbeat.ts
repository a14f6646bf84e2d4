import { errorText } from "../../errors.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { startTimer } from "../../lib/timer.ts";
import type { Ownership } from "./ownership.ts";
import type { WorkerEvents } from "./events.ts";
import type { InFlight } from "./in-flight.ts";
import type { GracePeriod, Recoverer } from "./recover.ts";
import type { SilentConsumers } from "./silent-consumers.ts";
import type { WorkerSettings } from "./types.ts";

export interface HeartbeatParts {
  readonly connection: Connection;
  readonly settings: Pick<WorkerSettings, "streams" | "claimIdleMs">;
  readonly inFlight: InFlight;
  readonly ownership: Ownership;
  readonly recoverer: Recoverer;
  readonly silent: SilentConsumers;
  readonly grace: GracePeriod;
  readonly events: WorkerEvents;
}

/**
 * Keeps what is in flight from being taken over: three beats in every claimIdle, so that two may fail, and one
 * as soon as a lost connection is back. An entry found with another owner is marked lost; it is not stolen back.
 */
export async function heartbeatLoop(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const everyMs = Math.max(20, parts.settings.claimIdleMs / 3);
  let wake = (): void => {};
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = startTimer(ms, resolve);
      wake = () => {
        timer.stop();
        resolve();
      };
    });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  const unlisten = parts.connection.onState(({ up }) => up && wake());
  for (let failures = 0; !signal.aborted;) {
    await pause(failures === 0 ? everyMs : Math.min(everyMs, reconnectDelayMs(failures - 1)));
    if (!signal.aborted) failures = (await beatAll(parts)) ? 0 : failures + 1;
  }
  unlisten();
  signal.removeEventListener("abort", onAbort);
}

/** False when Redis could not be asked. */
async function beatAll(parts: HeartbeatParts): Promise<boolean> {
  const { settings, grace, events } = parts;
  let reached = true;
  for (const stream of settings.streams) {
    try {
      if (await beat(parts, stream)) grace.worked();
    } catch (error) {
      // The reading side says so, too. A group that is gone must not keep the other streams from their beat.
      events.notice("detail", `heartbeat on ${stream} failed: ${errorText(error)}`);
      if (!isTransient(error)) continue;
      grace.failed();
      reached = false;
    }
  }
  return reached;
}

/** False when nothing is in flight: then nothing was asked. */
async function beat(
  { inFlight, ownership, recoverer, silent }: HeartbeatParts,
  stream: string,
): Promise<boolean> {
  const held = [...inFlight.of(stream)];
  await ownership.beat(stream, held);
  await recoverer.review(stream);
  await silent.look(stream);
  return held.length > 0;
}
