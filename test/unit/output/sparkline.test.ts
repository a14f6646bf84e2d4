import { expect, test } from "vitest";
import { sparkline } from "../../../src/output/sparkline.ts";

test("a sparkline rises from 0 to the largest value and keeps its width", () => {
  expect(sparkline([0, 1, 2, 4, 8], 5)).toBe("▁▂▃▅█");
  expect(sparkline([3], 4)).toBe("   █");
  expect(sparkline([], 3)).toBe("   ");
  expect(sparkline([0, 0], 2)).toBe("▁▁");
  expect(sparkline([9, 1, 1], 2)).toBe("██");
});
