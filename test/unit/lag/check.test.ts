import { describe, expect, test } from "vitest";
import { findings } from "../../../src/engine/lag/check.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { pluginLine, unknownLine } from "../../../src/output/lag-plugin.ts";
import { look } from "./support.ts";

const limits = {
  warning: { maxLag: 10, maxPending: undefined, maxAgeMs: 60_000 },
  critical: { maxLag: 100, maxPending: 5, maxAgeMs: undefined },
};

function levels(...parts: readonly Parameters<typeof look>[0][]): string[] {
  return findings(parts.map(look), limits).map(
    ({ level, crossing }) => `${level} ${crossing?.what ?? "age"}`,
  );
}

describe("the status of a group", () => {
  test("is ok at a limit, and a warning or critical above it, once per figure", () => {
    expect(levels({ lag: 10, oldestUndeliveredMs: 60_000, pending: 5, oldestPendingMs: 0 })).toEqual([]);
    expect(levels({ lag: 11, oldestUndeliveredMs: 0 })).toEqual(["warning lag"]);
    expect(levels({ lag: 101, oldestUndeliveredMs: 0 })).toEqual(["critical lag"]);
  });

  test("puts the worst first", () => {
    expect(
      levels({ lag: 11, oldestUndeliveredMs: 0 }, { pending: 6, oldestPendingMs: 0 }, { pending: 1 }),
    ).toEqual(["critical pending", "warning lag", "unknown age"]);
  });

  test("is unknown where an age counts and the IDs of what waits are no times", () => {
    expect(levels({ lag: 1 })).toEqual(["unknown age"]);
    const noAges = { ...limits, warning: { maxLag: 10 } };
    expect(findings([look({ lag: 1 })], noAges)).toEqual([]);
  });

  test("follows from a lower bound above a limit", () => {
    expect(levels({ lag: null, lagAtLeast: 101, oldestUndeliveredMs: 0 })).toEqual(["critical lag"]);
  });
});

describe("the plugin's line", () => {
  test("is one line with performance data for each group", () => {
    const rows = [
      look({ lag: 120, oldestUndeliveredMs: 1_500 }),
      look({ group: groupName("h"), lag: null, lagAtLeast: 7 }),
    ];
    const line = pluginLine(rows, findings(rows, limits), limits);
    expect(line).toBe(
      "LAG CRITICAL - orders g: lag 120, above 100; orders h: the age of what waits is unknown, its IDs are not times | " +
        "'orders g lag'=120;10;100;0; 'orders g pending'=0;;5;0; 'orders g age'=1.5s;60;;0; " +
        "'orders h lag'=U;10;100;0; 'orders h pending'=0;;5;0; 'orders h age'=U;60;;0;\n",
    );
  });

  test("sums up when all is well", () => {
    const rows = [
      look({ lag: 3, oldestUndeliveredMs: 0 }),
      look({ group: groupName("h"), pending: 2, oldestPendingMs: 0 }),
    ];
    expect(pluginLine(rows, [], limits)).toMatch(/^LAG OK - 2 groups, lag 3, pending 2 \| /);
  });

  test("names can break neither the line, the text nor a label", () => {
    const rows = [look({ stream: streamKey("a|b='c'\n"), lag: 500, oldestUndeliveredMs: 0 })];
    const line = pluginLine(rows, findings(rows, limits), limits);
    expect(line.trimEnd().split("\n")).toHaveLength(1);
    expect(line.split("|")).toHaveLength(2);
    expect(line).toContain("'a_b__c_\\n g lag'=500");
    expect(unknownLine("a\nb | c")).toBe("LAG UNKNOWN - a\\nb _ c\n");
  });

  test("of very many groups gives the worst figures only", () => {
    const rows = Array.from({ length: 1_000 }, (_, n) =>
      look({ group: groupName(`g${n}`), lag: n, oldestUndeliveredMs: n }),
    );
    const line = pluginLine(rows, findings(rows, limits), limits);
    expect(line).toContain("and 986 more");
    expect(line).toContain("'worst lag'=999;");
    expect(line.length).toBeLessThan(1_000);
  });
});
