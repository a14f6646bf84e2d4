import type { StreamKey } from "../../entry/names.ts";
import { errorText } from "../../errors.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { startTimer } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import type { WorkerEvents } from "./events.ts";
import type { InFlight } from "./in-flight.ts";
import type { SilentConsumers } from "./left-behind.ts";
import type { Ownership } from "./ownership.ts";
import type { Recoverer } from "./recover.ts";
import type { WorkerSettings } from "./types.ts";

export interface HeartbeatParts {
  readonly connection: Connection;
  readonly streams: Streams;
  readonly settings: Member & Pick<WorkerSettings, "streams" | "claimIdleMs">;
  readonly groupState: GroupState;
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
  { streams, settings, groupState, inFlight, ownership, recoverer, silent }: HeartbeatParts,
  stream: StreamKey,
): Promise<boolean> {
  const held = [...inFlight.of(stream)];
  await ownership.beat(stream, held);
  // It reads nothing there: without this it would look dead.
  if (groupState.isPaused(stream)) await streams.showUp(stream, settings);
  await recoverer.review(stream);
  await silent.look(stream);
  return held.length > 0;
}

/** As long as a reconnect may take (see reconnectDelayMs), and a beat after it. */
const TRUCE_MS = 3_000;

/**
 * After an outage nobody's silence means anything: all workers were cut off, and whoever is back first would
 * take what the others are still working on. So for a while nothing is taken from the pending list, until
 * everybody that lives has had the time to come back and beat.
 */
export class GracePeriod {
  readonly #harmlessMs: number;
  #lastContact = performance.now();
  #cutOffSince: number | undefined;
  #until = 0;

  /** An outage shorter than a heartbeat's interval costs no worker more than one beat of three. */
  constructor(claimIdleMs: number) {
    this.#harmlessMs = claimIdleMs / 3;
  }

  /** A server that has just come back may have cut off others, before this worker started. */
  async arrive(streams: Pick<Streams, "serverInfo">): Promise<void> {
    // A user who may not ask goes without.
    const info = await streams.serverInfo("server").catch(() => undefined);
    const uptime = info?.get("uptime_in_seconds");
    if (uptime !== undefined && Number(uptime) * 1_000 < TRUCE_MS) this.#until = performance.now() + TRUCE_MS;
  }

  /** Redis could not be asked. */
  failed(): void {
    this.#cutOffSince ??= this.#lastContact;
  }

  /** Redis has answered. */
  worked(): void {
    const now = performance.now();
    if (this.#cutOffSince !== undefined && now - this.#cutOffSince > this.#harmlessMs)
      this.#until = now + TRUCE_MS;
    this.#cutOffSince = undefined;
    this.#lastContact = now;
  }

  /** Until when nothing may be taken, by performance.now(); Infinity while Redis is away. */
  get until(): number {
    return this.#cutOffSince === undefined ? this.#until : Number.POSITIVE_INFINITY;
  }
}
