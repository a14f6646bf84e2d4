import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endOf, parsePosition, startOf, type Position } from "../../src/engine/position.ts";
import { compareIds, nextId, parseEntryId, previousId, type EntryId } from "../../src/entry/id.ts";

const MAX = "18446744073709551615";
const facts = { nowMs: 1_000_000, lastId: "500-7" as EntryId };

function position(text: string): Position {
  const parsed = parsePosition(text);
  if (!parsed) throw new Error(`${text} is no position`);
  return parsed;
}

describe("positions", () => {
  test.each([
    ["-", "0-0", "0-0"],
    ["+", "500-7", `${MAX}-${MAX}`],
    ["$", "500-8", "500-7"],
    ["12", "12-0", `12-${MAX}`],
    ["12-3", "12-3", "12-3"],
    ["(12-3", "12-4", "12-2"],
    ["(12", "13-0", `11-${MAX}`],
    ["007-01", "7-1", "7-1"],
    ["10s", "990000-0", `990000-${MAX}`],
    ["9d", "0-0", `0-${MAX}`],
    ["2026-03-01T12:00:00Z", "1772366400000-0", `1772366400000-${MAX}`],
    ["2026-03-01t12:00:00.250z", "1772366400250-0", `1772366400250-${MAX}`],
    ["2026-03-01 13:00:00+01:00", "1772366400000-0", `1772366400000-${MAX}`],
    ["2026-03-01T13:00+0100", "1772366400000-0", `1772366400000-${MAX}`],
  ])("%s starts at %s and ends at %s", (text, from, to) => {
    expect(startOf(position(text), facts)).toBe(from);
    expect(endOf(position(text), facts)).toBe(to);
  });

  test("a time without an offset is local, also a date alone", () => {
    const local = new Date(2026, 2, 1, 12, 30).getTime();
    expect(position("2026-03-01T12:30")).toEqual({ kind: "time", ms: local });
    const midnight = new Date(2026, 2, 1).getTime();
    expect(position("2026-03-01")).toEqual({ kind: "time", ms: midnight });
  });

  test.each([
    "",
    "yesterday",
    "1-2-3",
    "-5",
    "(",
    "((1-1",
    "(-",
    "(15m",
    "18446744073709551616",
    `1-${MAX}0`,
    "2026-13-01",
    "2026-02-30",
    "2026-03-01T25:00:00Z",
    "2026-03",
    "15 m",
    "1e3",
  ])("%j is no position", (text) => {
    // A year and a month read as an entry ID: it is one.
    expect(parsePosition(text)).toEqual(
      text === "2026-03" ? expect.objectContaining({ kind: "id" }) : undefined,
    );
  });

  test("nothing comes after the last of all IDs or before the first", () => {
    expect(startOf(position(`(${MAX}-${MAX}`), facts)).toBeUndefined();
    expect(endOf(position("(0-0"), facts)).toBeUndefined();
  });

  test("nextId and previousId are neighbours of every ID", () => {
    const u64 = fc.bigInt({ min: 0n, max: BigInt(MAX) });
    fc.assert(
      fc.property(u64, fc.oneof(u64, fc.constantFrom(0n, BigInt(MAX))), (ms, seq) => {
        const id = parseEntryId(`${ms}-${seq}`) as EntryId;
        const next = nextId(id);
        if (next !== undefined) {
          expect(compareIds(id, next)).toBeLessThan(0);
          expect(previousId(next)).toBe(id);
        }
        const before = previousId(id);
        if (before !== undefined) expect(nextId(before)).toBe(id);
        expect(next === undefined).toBe(ms === BigInt(MAX) && seq === BigInt(MAX));
        expect(before === undefined).toBe(ms === 0n && seq === 0n);
      }),
    );
  });

  test("every ID as text is a position that starts and ends at itself", () => {
    const part = fc.bigInt({ min: 0n, max: BigInt(MAX) });
    fc.assert(
      fc.property(part, part, (ms, seq) => {
        const id = `${ms}-${seq}`;
        expect(startOf(position(id), facts)).toBe(id);
        expect(endOf(position(id), facts)).toBe(id);
      }),
    );
  });
});
