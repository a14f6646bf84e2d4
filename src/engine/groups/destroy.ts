import type { Connection } from "../../redis/connection.ts";
import { type GroupLag, groupLags } from "../lag/lag.ts";
import { writeOnce } from "../write-once.ts";
import { missingGroup, onStream } from "./missing.ts";

/** Counting further says nothing more to whoever has to decide. */
const COUNT_LIMIT = 10_000;

/** What goes with a group: its pending list and its position. Fails with exit 4 when it is not there. */
export async function planDestroy(
  connection: Connection,
  stream: string,
  group: string,
  signal: AbortSignal,
): Promise<GroupLag> {
  const request = { streams: [stream], named: new Set([stream]), group, countLimit: COUNT_LIMIT, signal };
  const [row] = await groupLags(connection, request);
  if (!row) throw await missingGroup(connection, stream, group);
  return row;
}

export async function destroyGroup(connection: Connection, stream: string, group: string): Promise<void> {
  const destroyed = await onStream(connection, stream, group, () =>
    writeOnce(`destroying group ${group}`, "`streamctl lag` shows whether it is still there", () =>
      connection.call("XGROUP", "DESTROY", stream, group),
    ),
  );
  if (destroyed !== 1) throw await missingGroup(connection, stream, group);
}
