import type { Connection } from "../../redis/connection.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import { serverNowMs } from "../../redis/ops/server.ts";

const EVERY_MS = 1_000;

/** Has XADD trim what is older than that by the server's clock: its MINID moves on as time goes by. */
export class MaxAge {
  readonly #ms: number;
  readonly #encoders: readonly EntryEncoder[];
  /** The server's clock minus the monotonic one of this process. */
  #clockOffset = 0;
  #setAt = Number.NEGATIVE_INFINITY;

  constructor(ms: number, encoders: readonly EntryEncoder[]) {
    this.#ms = ms;
    this.#encoders = encoders;
  }

  async start(connection: Connection): Promise<void> {
    this.#clockOffset = (await serverNowMs(connection)) - performance.now();
    this.refresh();
  }

  refresh(): void {
    const now = performance.now();
    if (now - this.#setAt < EVERY_MS) return;
    this.#setAt = now;
    const oldest = Math.max(0, Math.floor(now + this.#clockOffset - this.#ms));
    for (const encoder of this.#encoders) encoder.minId = String(oldest);
  }
}
