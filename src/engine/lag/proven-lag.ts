import { compareIds } from "../../entry/id.ts";
import type { GroupInfo, StreamInfo } from "../../redis/ops/info.ts";

/**
 * The lag of a group where it follows from the stream's length and ends; undefined where entries have to be
 * counted. The server's own figure proves nothing: it is null after a group was set in the middle, wrong on
 * many servers after a trim past the group's position, wrong for ever after a restart from an AOF that was
 * rewritten while the group read, and what XGROUP SETID and XSETID were told by hand.
 *
 * `group` must have been asked for before `stream`: then the result is never smaller than the truth.
 */
export function provenLag(
  stream: Pick<StreamInfo, "length" | "firstId" | "lastId">,
  { lastDeliveredId }: Pick<GroupInfo, "lastDeliveredId">,
): number | undefined {
  const { length, firstId, lastId } = stream;
  if (length === 0 || firstId === undefined || lastId === undefined) return 0;
  if (compareIds(lastDeliveredId, lastId) >= 0) return 0;
  return compareIds(lastDeliveredId, firstId) < 0 ? length : undefined;
}
