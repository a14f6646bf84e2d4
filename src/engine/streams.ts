import type { EntryId } from "../entry/id.ts";
import type { StreamKey } from "../entry/names.ts";
import { ServerError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";
import { streamInfo } from "../redis/ops/info.ts";
import { memoryUsage } from "../redis/ops/key.ts";
import { explain } from "./groups/missing.ts";

/** One stream at a glance. `memoryBytes` is the server's estimate; null when it does not tell. */
export interface StreamOverview {
  readonly stream: StreamKey;
  readonly length: number;
  readonly groups: number;
  readonly firstId: EntryId | null;
  readonly lastId: EntryId | null;
  readonly memoryBytes: number | null;
}

/** Streams asked for in one round trip. */
const AT_ONCE = 500;

/** Looks at streams in their order. One that vanishes meanwhile is left out, unless it is in `named`. */
export async function* overviews(
  connection: Connection,
  streams: readonly StreamKey[],
  options: { readonly named: ReadonlySet<string>; readonly signal: AbortSignal },
): AsyncGenerator<StreamOverview> {
  for (let at = 0; at < streams.length && !options.signal.aborted; at += AT_ONCE) {
    const names = streams.slice(at, at + AT_ONCE);
    const found = await Promise.all(names.map((stream) => look(connection, stream, options.named)));
    for (const overview of found) if (overview) yield overview;
  }
}

async function look(
  connection: Connection,
  stream: StreamKey,
  named: ReadonlySet<string>,
): Promise<StreamOverview | undefined> {
  try {
    const [info, bytes] = await Promise.all([
      streamInfo(connection, stream),
      memoryBytes(connection, stream),
    ]);
    const { length, groups, firstId = null, lastId = null } = info;
    return { stream, length, groups, firstId, lastId, memoryBytes: bytes };
  } catch (error) {
    const gone = error instanceof ServerError && error.kind === "notFound";
    if (gone && !named.has(stream)) return undefined;
    throw await explain(connection, stream, undefined, error);
  }
}

/** MEMORY is a right of its own: whoever lacks it still sees the rest. */
export async function memoryBytes(connection: Connection, stream: StreamKey): Promise<number | null> {
  try {
    return (await memoryUsage(connection, stream)) ?? null;
  } catch (error) {
    if (error instanceof ServerError) return null;
    throw error;
  }
}
