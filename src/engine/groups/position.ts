import { compareIds } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { setPosition } from "../../redis/ops/groups.ts";
import { groupInfos, streamInfo } from "../../redis/ops/info.ts";
import { countBetween } from "../lag/count-between.ts";
import { noGroup, onStream } from "./missing.ts";
import { type GroupStart, resolveGroupStart } from "./start.ts";
import { writeOnce } from "../write-once.ts";

/** What setting a group's last-delivered ID does. */
export interface PositionChange {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly from: string;
  readonly to: string;
  /** Forward, the group never gets the entries in between; backward, it gets them once more. */
  readonly effect: "skip" | "replay" | "none";
  /** How many entries that is; null when only `entriesAtLeast` is known. */
  readonly entries: number | null;
  readonly entriesAtLeast: number | null;
  /** What the group has pending, wherever it is set. */
  readonly pending: number;
}

/** Counting further says nothing more to whoever has to decide. */
const COUNT_LIMIT = 100_000;

/** Looks what setting the group at `at` would do. Changes nothing. */
export async function planPosition(
  connection: Connection,
  stream: StreamKey,
  group: GroupName,
  at: GroupStart,
  signal: AbortSignal,
): Promise<PositionChange> {
  const [groups, info] = await onStream(connection, stream, group, () =>
    Promise.all([groupInfos(connection, stream), streamInfo(connection, stream)]),
  );
  const found = groups.find(({ name }) => name === group);
  if (!found)
    throw noGroup(
      stream,
      group,
      groups.map(({ name }) => name),
    );
  const from = found.lastDeliveredId;
  const place = await resolveGroupStart(connection, stream, at);
  const to = place === "$" ? info.lastGeneratedId : place;
  const direction = compareIds(to, from);
  const [after, upTo] = direction > 0 ? [from, to] : [to, from];
  const range = { after, upTo, limit: COUNT_LIMIT };
  const { count, exact } = await countBetween(connection, stream, range, signal);
  return {
    stream,
    group,
    from,
    to,
    effect: direction === 0 ? "none" : direction > 0 ? "skip" : "replay",
    entries: exact ? count : null,
    entriesAtLeast: exact ? null : count,
    pending: found.pending,
  };
}

/** Does it. False: the group has moved since the plan was made, and nothing was changed. */
export async function applyPosition(connection: Connection, plan: PositionChange): Promise<boolean> {
  const { stream, group, from, to } = plan;
  return onStream(connection, stream, group, () =>
    writeOnce(`setting ${group} on ${stream}`, "`streamctl lag` shows where it stands", async () => {
      return (await setPosition(connection, stream, group, { from, to })) === "set";
    }),
  );
}

/** For a group that is read all the time no plan holds for long. */
export function movesTooFast({ stream, group }: PositionChange): StreamctlError {
  return new StreamctlError("failed", `${group} on ${stream} moves on all the time: nothing was changed`, {
    hint: "stop its consumers first",
  });
}
