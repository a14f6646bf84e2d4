import { ServerError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Lane } from "../../redis/lane.ts";
import type { Arg, Value } from "../../redis/value.ts";
import type { EntryEncoder } from "./encoder.ts";
import type { LanePool } from "./lane-pool.ts";

const REPLIES_MS = 10;

/** The way to wherever one stream can be written now. */
export class Route {
  readonly #connection: Connection;
  readonly #lanes: LanePool;
  readonly #key: string;
  readonly #encoder: EntryEncoder;
  #lane: Lane | undefined;

  constructor(connection: Connection, lanes: LanePool, key: string, encoder: EntryEncoder) {
    this.#connection = connection;
    this.#lanes = lanes;
    this.#key = key;
    this.#encoder = encoder;
  }

  get target(): string {
    return this.#connection.target;
  }

  /** Whether a server may be a replica only because a failover is under way. */
  get hasReplicas(): boolean {
    return this.#connection.settings.mode !== "standalone";
  }

  /** For how long it is worth trying without progress. */
  get patienceMs(): number {
    return this.#connection.settings.connectTimeoutMs;
  }

  /** One command on the control connection, which follows redirections. */
  call(command: string, ...args: Arg[]): Promise<Value> {
    return this.#connection.call(command, ...args);
  }

  /** Connects, so that what prevents it shows before any input is read. Throws ConnectionError. */
  async open(): Promise<void> {
    this.#lane = await this.#connection.persist(() => this.#lanes.take(this.#key));
  }

  /** The lane, made anew when it has died. Throws ConnectionError after `patienceMs`. */
  async live(): Promise<Lane> {
    const lane = this.#lane;
    if (!lane?.alive) return this.renew();
    if (!this.#connection.failingOver(lane.peer)) return lane;
    // What the old master has taken so far counts; its replies are near.
    while (lane.alive && lane.inFlight > 0) await sleep(REPLIES_MS);
    return this.renew();
  }

  /**
   * A new lane. The probe before it is a write that no server carries out: through its redirection the
   * control connection learns where a cluster's slot is, and a server that can't write yet says so.
   */
  async renew(): Promise<Lane> {
    this.close();
    this.#lane = await this.#connection.persist(async () => {
      await this.probe();
      return this.#lanes.take(this.#key);
    });
    return this.#lane;
  }

  /** Fails as adding an entry with these options would fail now; never adds one. Makes the server know the script. */
  async probe(): Promise<void> {
    const [command = "XADD", ...args] = this.#encoder.probe();
    try {
      await this.#connection.call(command, ...args);
    } catch (error) {
      if (!(error instanceof ServerError) || !/greater than 0-0/.test(error.reply)) throw error;
    }
  }

  close(): void {
    if (this.#lane) this.#lanes.release(this.#lane);
    this.#lane = undefined;
  }
}
