import type { Streams } from "../../redis/ops/streams.ts";

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
