import type { StreamKey } from "../../entry/names.ts";
import type { DecodedStream } from "../../redis/ops/entry.ts";
import { encodeRead } from "../../redis/ops/read.ts";
import type { ReadMode } from "./reader.ts";

/** XREAD: everything after a cursor for each stream. Reading changes nothing in Redis. */
export class FollowMode implements ReadMode {
  readonly command = "XREAD";
  readonly takes = false;
  readonly #cursors = new Map<string, string>();

  /** `after`: the ID after which to start. A fixed one, so that nothing is missed between reads. */
  join(stream: StreamKey, after: string): void {
    this.#cursors.set(stream, after);
  }

  left(stream: StreamKey): void {
    this.#cursors.delete(stream);
  }

  encodeRead(streams: readonly StreamKey[], count: number, blockMs: number | undefined): Buffer {
    const cursors = streams.map((stream) => [stream, this.#cursors.get(stream) as string] as const);
    return encodeRead(cursors, count, blockMs);
  }

  arrived(_streams: readonly string[], parts: readonly DecodedStream[]): void {
    for (const { stream, lastId } of parts) {
      if (this.#cursors.has(stream)) this.#cursors.set(stream, lastId);
    }
  }
}
