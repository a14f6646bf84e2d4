import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { groupInfos } from "../../redis/streams/info.ts";
import { noGroup, onStream } from "../groups/missing.ts";

export interface EnsureGroupsRequest {
  readonly streams: readonly string[];
  readonly group: string;
  /** Where to make a group that is missing: `0`, `$` or an ID. Undefined: it must be there. */
  readonly createAt: string | undefined;
}

/**
 * Makes sure that every stream has the group, and resolves with the ID last delivered in each. Fails with
 * exit 4 when a group or stream is missing and is not to be made. `onCreated` hears of each one made.
 */
export async function ensureGroups(
  connection: Connection,
  { streams, group, createAt }: EnsureGroupsRequest,
  onCreated: (stream: string, at: string) => void,
): Promise<Map<string, string>> {
  const lastDelivered = new Map<string, string>();
  for (const stream of streams) {
    await onStream(connection, stream, group, async () => {
      if (createAt !== undefined && (await createGroup(connection, stream, group, createAt)))
        onCreated(stream, createAt);
      const infos = await groupInfos(connection, stream);
      const info = infos.find(({ name }) => name === group);
      if (!info)
        throw noGroup(
          stream,
          group,
          infos.map(({ name }) => name),
        );
      lastDelivered.set(stream, info.lastDeliveredId);
    });
  }
  return lastDelivered;
}

/** Makes the group, and the stream when there is none; false when the group is there already. */
async function createGroup(
  connection: Connection,
  stream: string,
  group: string,
  at: string,
): Promise<boolean> {
  try {
    await connection.call("XGROUP", "CREATE", stream, group, at, "MKSTREAM");
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.code === "BUSYGROUP") return false;
    throw error;
  }
}
