import { ServerError, StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { groupInfos } from "../../redis/streams/info.ts";
import { explain, noStream } from "../groups/missing.ts";
import { writeOnce } from "../write-once.ts";

export interface CreatedGroup {
  readonly stream: string;
  readonly group: string;
  /** Where it begins: it gets what comes after this ID. Null when the user may not look. */
  readonly lastDeliveredId: string | null;
  /** False: it was there. */
  readonly created: boolean;
}

export interface CreateOptions {
  readonly at: string;
  readonly makeStream: boolean;
  /** A group that exists is left where it is, and no error. */
  readonly ifMissing: boolean;
}

/**
 * Makes a group that begins after `at` (`0`, `$` or an ID). Fails with exit 4 when there is no stream and
 * `makeStream` is not set, and with exit 1 when the group exists, unless `ifMissing` is.
 */
export async function createGroup(
  connection: Connection,
  stream: string,
  group: string,
  { at, makeStream, ifMissing }: CreateOptions,
): Promise<CreatedGroup> {
  const more = makeStream ? ["MKSTREAM"] : [];
  const create = (): Promise<unknown> => connection.call("XGROUP", "CREATE", stream, group, at, ...more);
  let created = true;
  try {
    // One that is there is as good: then it may be sent again.
    if (ifMissing) await connection.persist(create);
    else
      await writeOnce(
        `creating group ${group}`,
        "run it again: a group that exists is left as it is",
        create,
      );
  } catch (error) {
    if (!ifMissing || !(error instanceof ServerError) || error.code !== "BUSYGROUP")
      throw await explainCreate(connection, stream, group, error);
    created = false;
  }
  return { stream, group, lastDeliveredId: await positionOf(connection, stream, group), created };
}

async function explainCreate(
  connection: Connection,
  stream: string,
  group: string,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof ServerError)) return error;
  if (error.code === "NOKEY") {
    const { message } = noStream(stream);
    return new StreamctlError("notFound", message, { hint: "--mkstream makes it, empty" });
  }
  if (error.code !== "BUSYGROUP") return explain(connection, stream, undefined, error);
  const position = await positionOf(connection, stream, group);
  const where = position === null ? "" : `, at ${position}`;
  return new StreamctlError("failed", `group "${group}" exists on ${stream} already${where}`, {
    hint: "`streamctl group set-id` moves it, and --if-missing leaves it",
  });
}

async function positionOf(connection: Connection, stream: string, group: string): Promise<string | null> {
  try {
    const groups = await groupInfos(connection, stream);
    return groups.find(({ name }) => name === group)?.lastDeliveredId ?? null;
  } catch (error) {
    if (error instanceof ServerError) return null;
    throw error;
  }
}
