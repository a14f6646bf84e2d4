import type { Connection } from "../../redis/connection.ts";
import { ensureGroup } from "../../redis/ops/groups.ts";
import { groupInfos } from "../../redis/ops/info.ts";
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
      if (createAt !== undefined) {
        const rule = { at: createAt, makeStream: true };
        if ((await ensureGroup(connection, stream, group, rule)) === "made") onCreated(stream, createAt);
      }
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
