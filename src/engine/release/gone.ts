import type { GroupName } from "../../entry/names.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { connectedConsumers } from "../../redis/ops/namesakes.ts";
import type { Gone } from "../../redis/ops/release.ts";
import { isMadeUp } from "../consumer-name.ts";

/** A worker that lost its connection is back by then. */
const RECONNECT_MS = 1_000;

/**
 * A name that was not made up for one process may be that of another program, whose connections say nothing of it: what it
 * has is released when any worker with the usual --claim-idle would take it.
 */
const USUAL_CLAIM_IDLE_MS = 60_000;

/**
 * Which consumers of a group have no process any more: a worker's connections are named after it, so one that no connection
 * is named after, now and a second later, was killed or has lost Redis for longer than a reconnect takes. Where CLIENT LIST
 * can't be read none is known to be gone.
 */
export class GoneConsumers {
  readonly #connection: Connection;
  readonly #group: GroupName;
  readonly #judged = new Set<string>();
  readonly #gone = new Map<string, number>();
  #unknown = false;

  constructor(connection: Connection, group: GroupName) {
    this.#connection = connection;
    this.#group = group;
  }

  get known(): Gone {
    return this.#gone;
  }

  /** Whether some of these turn out to be gone that were not known to be. */
  async judge(consumers: ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
    const open = [...consumers].filter((consumer) => !this.#judged.has(consumer));
    if (open.length === 0 || this.#unknown) return false;
    const connected = await this.#connected();
    const absent = open.filter((consumer) => connected && !connected.has(consumer));
    if (absent.length > 0) await sleep(RECONNECT_MS, signal);
    const later = absent.length > 0 ? await this.#connected() : undefined;
    const before = this.#gone.size;
    for (const consumer of open) this.#judged.add(consumer);
    for (const consumer of absent)
      if (later && !later.has(consumer))
        this.#gone.set(consumer, isMadeUp(consumer) ? 0 : USUAL_CLAIM_IDLE_MS);
    return this.#gone.size > before;
  }

  async #connected(): Promise<Set<string> | undefined> {
    const connected = await connectedConsumers(this.#connection, this.#group);
    this.#unknown ||= connected === undefined;
    return connected;
  }
}
