import type { GroupLook } from "../../../src/engine/lag/lag.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

/** A look at a group that is fine, but for `parts`. */
export function look(parts: Partial<GroupLook>): GroupLook {
  return {
    stream: streamKey("orders"),
    group: groupName("g"),
    lag: 0,
    lagAtLeast: null,
    consumers: 1,
    pending: 0,
    oldestPendingMs: null,
    oldestUndeliveredMs: null,
    maxDeliveries: 0,
    lastDeliveredId: entryId("4-0"),
    entriesAdded: 4,
    entriesRead: 4,
    firstId: entryId("1-0"),
    ...parts,
  };
}
