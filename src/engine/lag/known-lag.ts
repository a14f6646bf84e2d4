import { compareIds } from "../../entry/id.ts";
import type { GroupInfo, StreamInfo } from "../../redis/streams/info.ts";

/**
 * The lag of a group where it follows from what the server says, or undefined where entries have to be
 * counted. The server's own `lag` is not enough: it is null after a group was set in the middle or with a
 * deleted entry ahead, and on servers that count wrongly (`serverCountsRight` false) it is off by what was
 * trimmed past the group's position. Pass `serverCountsRight` undefined as long as it is not known.
 *
 * `group` must have been asked for before `stream`: then the result is never smaller than the truth.
 */
export function knownLag(
  stream: StreamInfo,
  group: GroupInfo,
  serverCountsRight: boolean | undefined,
): number | undefined {
  if (stream.length === 0 || stream.firstId === undefined || stream.lastId === undefined) return 0;
  if (compareIds(group.lastDeliveredId, stream.lastId) >= 0) return 0;
  if (compareIds(group.lastDeliveredId, stream.firstId) < 0) return stream.length;
  // Something was delivered and something was not: a count outside of that is no count. (XGROUP SETID and
  // CREATE take ENTRIESREAD from the user.)
  if (group.lag === null || group.lag < 1 || group.lag >= stream.length) return undefined;
  const nothingEverRemoved = stream.entriesAdded === stream.length;
  return nothingEverRemoved || serverCountsRight === true ? group.lag : undefined;
}
