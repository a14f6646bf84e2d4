import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { groupInfos } from "../../redis/ops/info.ts";
import { endPause, type Pause, type PauseWish, setPause } from "../../redis/ops/pause.ts";
import { writeOnce } from "../write-once.ts";
import { noGroup, onStream } from "./missing.ts";

/** What `group pause` or `group resume` has done. */
export interface PauseChange {
  readonly stream: StreamKey;
  readonly group: GroupName;
  /** Undefined: the group is not paused. */
  readonly pause: Pause | undefined;
  /** How it was before; undefined: it was not paused. */
  readonly before: Pause | undefined;
}

/** Pauses a group on a stream, or changes why and for how long it is. Exit 4 where there is no such group. */
export async function pauseGroup(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
  wish: PauseWish,
): Promise<PauseChange> {
  await requireGroup(connection, stream, group);
  const again = "run it again: a group that is paused stays so";
  const { before, now } = await writeOnce(`pausing ${group}`, again, () =>
    setPause(connection, stream, group, wish),
  );
  return { stream, group, pause: now, before };
}

/** Exit 4 where there is neither a pause nor such a group: a pause may have outlived its group. */
export async function resumeGroup(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
): Promise<PauseChange> {
  const again = "run it again: a group that is not paused is left as it is";
  const before = await writeOnce(`resuming ${group}`, again, () => endPause(connection, stream, group));
  if (before === undefined) await requireGroup(connection, stream, group);
  return { stream, group, pause: undefined, before };
}

async function requireGroup(connection: Connection, stream: StreamKey, group: GroupName): Promise<void> {
  const infos = await onStream(connection, stream, group, () =>
    connection.persist(() => groupInfos(connection, stream)),
  );
  const names = infos.map(({ name }) => name);
  if (!names.includes(group)) throw noGroup(stream, group, names);
}
