import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError, StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { ensureGroup } from "../../redis/ops/groups.ts";
import { groupInfos } from "../../redis/ops/info.ts";
import { explain, noStream } from "../groups/missing.ts";
import { type GroupStart, resolveGroupStart } from "./start.ts";
import { writeOnce } from "../write-once.ts";

export interface CreatedGroup {
  readonly stream: StreamKey;
  readonly group: GroupName;
  /** Where it begins: it gets what comes after this ID. Null when the user may not look. */
  readonly lastDeliveredId: EntryId | null;
  /** False: it was there. */
  readonly created: boolean;
}

export interface CreateOptions {
  readonly at: GroupStart;
  readonly makeStream: boolean;
  /** A group that exists is left where it is, and no error. */
  readonly ifMissing: boolean;
}

/**
 * Makes a group that begins at `at`. Fails with exit 4 when there is no stream and
 * `makeStream` is not set, and with exit 1 when the group exists, unless `ifMissing` is.
 */
export async function createGroup(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
  { at, makeStream, ifMissing }: CreateOptions,
): Promise<CreatedGroup> {
  const id = await resolveGroupStart(connection, stream, at);
  const ensure = (): ReturnType<typeof ensureGroup> =>
    ensureGroup(connection, stream, group, { at: id, makeStream });
  const again = "run it again: a group that exists is left as it is";
  try {
    // One that is there is as good: then it may be sent again.
    const outcome = await (ifMissing
      ? connection.persist(ensure)
      : writeOnce(`creating group ${group}`, again, ensure));
    const lastDeliveredId = await positionOf(connection, stream, group);
    if (outcome === "made" || ifMissing)
      return { stream, group, lastDeliveredId, created: outcome === "made" };
    throw existsAlready(stream, group, lastDeliveredId);
  } catch (error) {
    throw await explainCreate(connection, stream, error);
  }
}

function existsAlready(stream: StreamKey, group: GroupName, position: string | null): StreamctlError {
  const where = position === null ? "" : `, at ${position}`;
  return new StreamctlError("failed", `group "${group}" exists on ${stream} already${where}`, {
    hint: "`streamctl group set-id` moves it, and --if-missing leaves it",
  });
}

async function explainCreate(connection: Connection, stream: StreamKey, error: unknown): Promise<unknown> {
  if (!(error instanceof ServerError)) return error;
  if (error.code === "NOKEY") {
    const { message } = noStream(stream);
    return new StreamctlError("notFound", message, { hint: "--mkstream makes it, empty" });
  }
  return explain(connection, stream, undefined, error);
}

async function positionOf(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
): Promise<EntryId | null> {
  try {
    const groups = await groupInfos(connection, stream);
    return groups.find(({ name }) => name === group)?.lastDeliveredId ?? null;
  } catch (error) {
    if (error instanceof ServerError) return null;
    throw error;
  }
}
