import { encodeCommand } from "../../redis/resp.ts";
import type { Decoded } from "./page.ts";
import type { ReadMode } from "./reader.ts";

/** XREAD: everything after a cursor for each stream. Reading changes nothing in Redis. */
export class FollowMode implements ReadMode {
  readonly command = "XREAD";
  readonly takes = false;
  readonly #cursors = new Map<string, string>();

  /** `after`: the ID after which to start. A fixed one, so that nothing is missed between reads. */
  join(stream: string, after: string): void {
    this.#cursors.set(stream, after);
  }

  left(stream: string): void {
    this.#cursors.delete(stream);
  }

  alone(): boolean {
    return false;
  }

  encodeRead(streams: readonly string[], count: number, blockMs: number | undefined): Buffer {
    const block = blockMs === undefined ? [] : ["BLOCK", blockMs];
    const cursors = streams.map((stream) => this.#cursors.get(stream) as string);
    return encodeCommand(["XREAD", "COUNT", count, ...block, "STREAMS", ...streams, ...cursors]);
  }

  arrived(_streams: readonly string[], parts: readonly Decoded[]): void {
    for (const { stream, lastId } of parts) {
      if (this.#cursors.has(stream)) this.#cursors.set(stream, lastId);
    }
  }

  printed(): void {}

  ahead(): [] {
    return [];
  }

  reconnected(): void {}
}
