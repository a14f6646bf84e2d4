import { describe, expect, test } from "vitest";
import type { FoundGroup } from "../../../src/engine/lag/find-groups.ts";
import { difference } from "../../../src/engine/lag/lag-memory.ts";
import type { GroupLag } from "../../../src/engine/lag/lag.ts";
import { provenLag } from "../../../src/engine/lag/proven-lag.ts";
import { crossings } from "../../../src/engine/lag/thresholds.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import type { GroupInfo, StreamInfo } from "../../../src/redis/ops/info.ts";
import { entryId } from "../../support/ids.ts";

const stream: StreamInfo = {
  length: 10,
  groups: 1,
  lastGeneratedId: entryId("10-0"),
  firstId: entryId("1-0"),
  lastId: entryId("10-0"),
  entriesAdded: 10,
  maxDeletedId: entryId("0-0"),
  recordedFirstId: "0-0",
  radixKeys: 1,
  radixNodes: 2,
};

const group: GroupInfo = {
  name: groupName("g"),
  consumers: 1,
  pending: 0,
  lastDeliveredId: entryId("4-0"),
  lag: 6,
  entriesRead: 4,
};

describe("the lag that follows from the ends of a stream", () => {
  test("not the server's own figure: something was delivered, and something was not", () => {
    expect(provenLag(stream, group)).toBeUndefined();
  });

  test("0 in an empty stream and at the last entry", () => {
    const empty = { ...stream, length: 0, firstId: undefined, lastId: undefined };
    expect(provenLag(empty, group)).toBe(0);
    expect(provenLag(stream, { ...group, lastDeliveredId: entryId("10-0") })).toBe(0);
    expect(provenLag(stream, { ...group, lastDeliveredId: entryId("11-0") })).toBe(0);
  });

  test("all that is left, when everything the group had read was trimmed", () => {
    expect(provenLag({ ...stream, length: 4, firstId: entryId("7-0") }, group)).toBe(4);
  });
});

describe("what a lag has changed by since it was counted", () => {
  const before: FoundGroup = { stream: streamKey("orders"), info: stream, group };
  const after = (info: Partial<StreamInfo>, moved: Partial<GroupInfo> = {}): FoundGroup => ({
    ...before,
    info: { ...stream, ...info },
    group: { ...group, ...moved },
  });
  const grown = { length: 13, lastId: entryId("13-0"), entriesAdded: 13 };
  const read = { lastDeliveredId: entryId("6-0"), entriesRead: 6 };

  test("what was added less what was given, also while what was given goes", () => {
    expect(difference(before, before)).toBe(0);
    expect(difference(before, after(grown, read))).toBe(1);
    expect(difference(before, after({ ...grown, firstId: entryId("4-0"), length: 10 }, read))).toBe(1);
    expect(difference(before, after({ ...grown, maxDeletedId: entryId("3-0"), length: 12 }, read))).toBe(1);
  });

  test.each([
    ["nothing where entries ahead were trimmed", { ...grown, firstId: entryId("5-0"), length: 9 }, read],
    ["nothing where one ahead was deleted", { ...grown, maxDeletedId: entryId("9-0"), length: 12 }, read],
    ["nothing where entries went unseen", { ...grown, length: 12 }, read],
    ["nothing where the counters went back", { entriesAdded: 9 }, {}],
    ["nothing where the group was set back", grown, { lastDeliveredId: entryId("2-0"), entriesRead: 6 }],
    ["nothing where the group moved uncounted", grown, { lastDeliveredId: entryId("6-0"), entriesRead: 4 }],
    ["nothing where it counted without moving", grown, { entriesRead: 6 }],
    [
      "nothing where the server does not count",
      grown,
      { lastDeliveredId: entryId("6-0"), entriesRead: null },
    ],
    ["nothing where more was added than is there", { entriesAdded: 13, length: 14 }, read],
  ])("%s", (_, info, moved) => {
    expect(difference(before, after(info, moved))).toBeUndefined();
  });
});

describe("thresholds", () => {
  const row: GroupLag = {
    stream: streamKey("orders"),
    group: groupName("g"),
    lag: 10,
    lagAtLeast: null,
    consumers: 1,
    pending: 5,
    oldestPendingMs: 1_000,
    oldestUndeliveredMs: null,
    maxDeliveries: 1,
    lastDeliveredId: entryId("4-0"),
  };

  test("are crossed above, not at, their value", () => {
    expect(crossings(row, { maxLag: 10, maxPending: 5, maxAgeMs: 1_000 })).toEqual([]);
    const all = crossings(row, { maxLag: 9, maxPending: 4, maxAgeMs: 999 });
    expect(all.map(({ what }) => what)).toEqual(["lag", "pending", "oldest pending"]);
  });

  test("are crossed by a lower bound above them", () => {
    const bounded = { ...row, lag: null, lagAtLeast: 11 };
    expect(crossings(bounded, { maxLag: 10 })).toMatchObject([{ value: 11, atLeast: true }]);
  });
});
