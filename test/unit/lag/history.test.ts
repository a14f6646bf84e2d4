import { describe, expect, test } from "vitest";
import { LagHistory } from "../../../src/engine/lag/history.ts";
import { byWorst, type WatchedGroup } from "../../../src/engine/lag/watch.ts";
import { groupName } from "../../../src/entry/names.ts";
import { look } from "./support.ts";
import { entryId } from "../../support/ids.ts";

function ratesAfter(...looks: readonly Parameters<typeof look>[0][]) {
  const history = new LagHistory();
  looks.forEach((parts, index) => history.add([look(parts)], index * 1_000));
  return history.ratesOf(look({}));
}

describe("rates", () => {
  test("are those of the counters, not of the lag, and tell the time to drain", () => {
    const rates = ratesAfter(
      { lag: 100, entriesAdded: 1_000, entriesRead: 900 },
      { lag: 80, entriesAdded: 1_010, entriesRead: 930 },
    );
    expect(rates).toEqual({ inPerSecond: 10, outPerSecond: 30, drainMs: 4_000 });
  });

  test("need two looks", () => {
    expect(ratesAfter({ lag: 5 })).toEqual({ inPerSecond: null, outPerSecond: null, drainMs: null });
  });

  test("give no time to drain while the backlog does not shrink", () => {
    expect(
      ratesAfter({ entriesAdded: 10, entriesRead: 5 }, { lag: 5, entriesAdded: 20, entriesRead: 15 }).drainMs,
    ).toBe(null);
  });

  test("follow from the lag where the group's own counter is unknown, but not across a trim", () => {
    const before = { lag: 50, entriesAdded: 100, entriesRead: null, firstId: entryId("1-0") };
    const after = { lag: 40, entriesAdded: 110, entriesRead: null, firstId: entryId("1-0") };
    expect(ratesAfter(before, after)).toMatchObject({ inPerSecond: 10, outPerSecond: 20 });
    expect(ratesAfter(before, { ...after, firstId: entryId("30-0") }).outPerSecond).toBeNull();
  });

  test("are unknown when a counter goes back: the stream was made anew", () => {
    expect(
      ratesAfter({ entriesAdded: 1_000, entriesRead: 900 }, { lag: 2, entriesAdded: 3, entriesRead: 1 }),
    ).toEqual({
      inPerSecond: null,
      outPerSecond: null,
      drainMs: null,
    });
  });

  test("are those of the last ten seconds", () => {
    const history = new LagHistory();
    for (let second = 0; second <= 30; second++)
      history.add(
        [look({ entriesAdded: second < 15 ? second * 100 : 1_500, entriesRead: 0 })],
        second * 1_000,
      );
    expect(history.ratesOf(look({})).inPerSecond).toBe(0);
  });
});

test("what is gone is forgotten, and what is there is kept for a while only", () => {
  const history = new LagHistory();
  for (let n = 0; n < 500; n++) history.add([look({ lag: n })], n);
  expect(history.lagsOf(look({})).length).toBeLessThanOrEqual(60);
  expect(history.lagsOf(look({})).at(-1)).toBe(499);
  history.add([], 501);
  expect(history.lagsOf(look({}))).toEqual([]);
});

test("the worst stands first: by waiting time, then by backlog, then by name", () => {
  const group = (name: string, parts: Parameters<typeof look>[0]): WatchedGroup => ({
    ...look({ ...parts, group: groupName(name) }),
    inPerSecond: null,
    outPerSecond: null,
    drainMs: null,
    at: new Date(0),
    lags: [],
  });
  const sorted = [
    group("idle", { lag: 0 }),
    group("big", { lag: 5_000, oldestUndeliveredMs: 1_000 }),
    group("old", { lag: 1, oldestPendingMs: 60_000 }),
    group("also-big", { lag: 5_000, oldestUndeliveredMs: 1_200 }),
    group("bounded", { lag: null, lagAtLeast: 9_000, oldestUndeliveredMs: 900 }),
  ].sort(byWorst);
  expect(sorted.map((row) => row.group)).toEqual(["old", "bounded", "also-big", "big", "idle"]);
});
