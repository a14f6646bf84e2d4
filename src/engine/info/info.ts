import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type StreamInfo, streamInfo } from "../../redis/ops/info.ts";
import { timeToLive } from "../../redis/ops/key.ts";
import { explain } from "../groups/missing.ts";
import { ageMs, type GroupLag, groupLags } from "../lag/lag.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { memoryBytes } from "../streams.ts";

/** Everything about one stream. Ages are by the server's clock; null is unknown or none. */
export interface StreamDetails {
  readonly stream: StreamKey;
  readonly length: number;
  readonly firstId: EntryId | null;
  readonly firstAgeMs: number | null;
  readonly lastId: EntryId | null;
  readonly lastAgeMs: number | null;
  /** The last ID given, also when that entry is gone. */
  readonly lastGeneratedId: EntryId;
  /** The server's estimate. */
  readonly memoryBytes: number | null;
  /** When the whole key expires; null: never. */
  readonly expiresInMs: number | null;
  /** How many entries it ever got (7.0). */
  readonly entriesAdded: number | null;
  /** The largest ID that was deleted (7.0). */
  readonly maxDeletedId: string | null;
  readonly recordedFirstId: string | null;
  readonly radixKeys: number;
  readonly radixNodes: number;
  /** How full the blocks are; trimming with `~` removes whole blocks only. */
  readonly entriesPerBlock: number | null;
  readonly consumers: number;
  readonly groups: readonly GroupLag[];
}

/** A lag is counted no further than this. */
const COUNT_LIMIT = 10_000;

/** Looks at streams in their order. One that vanishes meanwhile is left out, unless it is in `named`. */
export async function* streamDetails(
  connection: Connection,
  streams: readonly StreamKey[],
  options: { readonly named: ReadonlySet<string>; readonly signal: AbortSignal },
): AsyncGenerator<StreamDetails> {
  for (const stream of streams) {
    if (options.signal.aborted) return;
    const details = await look(connection, stream, options);
    if (details) yield details;
  }
}

async function look(
  connection: Connection,
  stream: StreamKey,
  { named, signal }: { readonly named: ReadonlySet<string>; readonly signal: AbortSignal },
): Promise<StreamDetails | undefined> {
  try {
    const [info, nowMs, bytes, expiresInMs, groups] = await Promise.all([
      streamInfo(connection, stream),
      serverNowMs(connection),
      memoryBytes(connection, stream),
      expiry(connection, stream),
      lagsOf(connection, stream, signal),
    ]);
    return { stream, ...describe(info, nowMs), memoryBytes: bytes, expiresInMs, ...groups };
  } catch (error) {
    const gone = error instanceof ServerError && error.kind === "notFound";
    if (gone && !named.has(stream)) return undefined;
    throw await explain(connection, stream, undefined, error);
  }
}

function describe(
  info: StreamInfo,
  nowMs: number,
): Omit<StreamDetails, "stream" | "memoryBytes" | "expiresInMs" | "groups" | "consumers"> {
  const { length, firstId, lastId, lastGeneratedId, radixKeys, radixNodes } = info;
  return {
    length,
    firstId: firstId ?? null,
    firstAgeMs: ageMs(firstId, nowMs),
    lastId: lastId ?? null,
    lastAgeMs: ageMs(lastId, nowMs),
    lastGeneratedId,
    entriesAdded: info.entriesAdded ?? null,
    maxDeletedId: info.maxDeletedId ?? null,
    recordedFirstId: info.recordedFirstId ?? null,
    radixKeys,
    radixNodes,
    entriesPerBlock: radixKeys === 0 ? null : Math.round((length / radixKeys) * 10) / 10,
  };
}

async function lagsOf(
  connection: Connection,
  stream: StreamKey,
  signal: AbortSignal,
): Promise<Pick<StreamDetails, "groups" | "consumers">> {
  const request = { streams: [stream], named: new Set([stream]), countLimit: COUNT_LIMIT, signal };
  const groups = await groupLags(connection, request);
  return { groups, consumers: groups.reduce((sum, { consumers }) => sum + consumers, 0) };
}

/** PTTL is a right of its own: whoever lacks it still sees the rest. */
async function expiry(connection: Connection, stream: StreamKey): Promise<number | null> {
  try {
    return (await timeToLive(connection, stream)) ?? null;
  } catch (error) {
    if (error instanceof ServerError) return null;
    throw error;
  }
}
