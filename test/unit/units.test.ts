import { expect, test } from "vitest";
import { parseDuration } from "../../src/units.ts";

test.each([
  ["0", 0],
  ["250ms", 250],
  ["0.4ms", 1],
  ["0.0s", 0],
  ["30d", 2_592_000_000],
  ["18262d", 1_577_836_800_000],
  ["18263d", undefined],
  ["99999999999999999999d", undefined],
  ["-1s", undefined],
  ["5", undefined],
  ["1 s", undefined],
])("the duration %j is %j ms", (text, duration) => {
  expect(parseDuration(text)).toBe(duration);
});
