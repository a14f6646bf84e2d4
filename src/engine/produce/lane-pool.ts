import type { Connection } from "../../redis/connection.ts";
import type { Lane } from "../../redis/lane.ts";

/**
 * Lanes shared by the streams of one run: one per node of a cluster, outside of one a single lane. A lane
 * is closed when the last stream has let go of it, because others may still wait for its replies. Calls
 * come one after the other.
 */
export class LanePool {
  readonly #connection: Connection;
  /** The lane to hand out, by node. */
  readonly #current = new Map<string, Lane>();
  readonly #holders = new Map<Lane, number>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A lane to the node that holds `key`, to be given back with `release`. Throws ConnectionError. */
  async take(key: string): Promise<Lane> {
    const lane = (await this.#known(key)) ?? (await this.#open(key));
    this.#holders.set(lane, (this.#holders.get(lane) ?? 0) + 1);
    return lane;
  }

  /** Nobody else gets this lane any more: whoever lets go of one has found it wanting. */
  release(lane: Lane): void {
    if (this.#current.get(lane.node) === lane) this.#current.delete(lane.node);
    const left = (this.#holders.get(lane) ?? 1) - 1;
    if (left > 0) {
      this.#holders.set(lane, left);
      return;
    }
    this.#holders.delete(lane);
    lane.close();
  }

  async #known(key: string): Promise<Lane | undefined> {
    if (this.#current.size === 0) return undefined;
    const lane = this.#current.get(await this.#connection.nodeOf(key));
    return lane?.alive ? lane : undefined;
  }

  async #open(key: string): Promise<Lane> {
    const lane = await this.#connection.lane(key);
    this.#current.set(lane.node, lane);
    return lane;
  }
}
