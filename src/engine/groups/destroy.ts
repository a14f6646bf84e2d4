import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { destroyGroup as destroy } from "../../redis/ops/groups.ts";
import { type GroupLag, groupLags } from "../lag/lag.ts";
import { writeOnce } from "../write-once.ts";
import { missingGroup, onStream } from "./missing.ts";

/** Counting further says nothing more to whoever has to decide. */
const COUNT_LIMIT = 10_000;

/** What goes with a group: its pending list and its position. Fails with exit 4 when it is not there. */
export async function planDestroy(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
  signal: AbortSignal,
): Promise<GroupLag> {
  const request = { streams: [stream], named: new Set([stream]), group, countLimit: COUNT_LIMIT, signal };
  const [row] = await groupLags(connection, request);
  if (!row) throw await missingGroup(connection, stream, group);
  return row;
}

export async function destroyGroup(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
): Promise<void> {
  const outcome = await onStream(connection, stream, group, () =>
    writeOnce(`destroying group ${group}`, "`streamctl lag` shows whether it is still there", () =>
      destroy(connection, stream, group),
    ),
  );
  if (outcome === "noGroup") throw await missingGroup(connection, stream, group);
}
