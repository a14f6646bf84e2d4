import { describe, expect, test } from "vitest";
import { knownLag } from "../../../src/engine/lag/known-lag.ts";
import type { GroupLag } from "../../../src/engine/lag/lag.ts";
import { countsRight } from "../../../src/engine/lag/server-counts.ts";
import { crossings } from "../../../src/engine/lag/thresholds.ts";
import type { GroupInfo, StreamInfo } from "../../../src/redis/streams/info.ts";

const stream: StreamInfo = {
  length: 10,
  groups: 1,
  lastGeneratedId: "10-0",
  firstId: "1-0",
  lastId: "10-0",
  entriesAdded: 10,
  maxDeletedId: "0-0",
  recordedFirstId: "0-0",
  radixKeys: 1,
  radixNodes: 2,
};

const group: GroupInfo = {
  name: "g",
  consumers: 1,
  pending: 0,
  lastDeliveredId: "4-0",
  lag: 6,
  entriesRead: 4,
};

describe("the lag that follows from what the server says", () => {
  test("its own figure, when nothing was ever removed", () => {
    expect(knownLag(stream, group, undefined)).toBe(6);
  });

  test("not its own figure after removals, unless that server counts right", () => {
    const trimmed = { ...stream, entriesAdded: 12 };
    expect(knownLag(trimmed, group, undefined)).toBeUndefined();
    expect(knownLag(trimmed, group, false)).toBeUndefined();
    expect(knownLag(trimmed, group, true)).toBe(6);
  });

  test("not a figure that can't be: fewer than the last entry, or more than all but the first", () => {
    for (const lag of [-3, 0, 10, 15]) expect(knownLag(stream, { ...group, lag }, true)).toBeUndefined();
  });

  test("nothing it does not say", () => {
    expect(knownLag(stream, { ...group, lag: null }, true)).toBeUndefined();
    const old = { ...stream, entriesAdded: undefined };
    expect(knownLag(old, { ...group, lag: null }, undefined)).toBeUndefined();
  });

  test("0 in an empty stream and at the last entry, whatever the figure", () => {
    const empty = { ...stream, length: 0, firstId: undefined, lastId: undefined };
    expect(knownLag(empty, { ...group, lag: 7 }, true)).toBe(0);
    expect(knownLag(stream, { ...group, lastDeliveredId: "10-0", lag: 7 }, true)).toBe(0);
    expect(knownLag(stream, { ...group, lastDeliveredId: "11-0", lag: null }, true)).toBe(0);
  });

  test("all that is left, when everything the group had read was trimmed", () => {
    expect(knownLag({ ...stream, length: 4, firstId: "7-0" }, { ...group, lag: 7 }, true)).toBe(4);
  });
});

describe("servers whose count stays right after trimming", () => {
  test.each([
    ["redis_version:7.4.4\r\n", true],
    ["redis_version:8.0.2\r\n", true],
    ["redis_version:7.4.3\r\n", false],
    ["redis_version:7.2.6\r\n", false],
    ["redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n", true],
    ["redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.9\r\n", false],
    ["redis_version:7.2.4\r\nredict_version:7.3.6\r\n", false],
    ["redis_version:9.9.9\r\nserver_name:somebody-else\r\n", false],
    ["redis_version:unknown\r\n", false],
    ["", false],
  ])("%j: %s", (info, right) => {
    expect(countsRight(`# Server\r\n${info}os:Linux\r\n`)).toBe(right);
  });
});

describe("thresholds", () => {
  const row: GroupLag = {
    stream: "orders",
    group: "g",
    lag: 10,
    lagAtLeast: null,
    consumers: 1,
    pending: 5,
    oldestPendingMs: 1_000,
    oldestUndeliveredMs: null,
    maxDeliveries: 1,
    lastDeliveredId: "4-0",
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
