import { describe, expect, test } from "vitest";
import { LineWindow } from "../../../src/engine/handlers/line-window.ts";

describe("how many lines are written ahead", () => {
  test("one at first, so that a slow handler holds back no entry that another could work on", () => {
    expect(new LineWindow(100).lines).toBe(1);
  });

  test("more and more while answers come fast, up to the limit", () => {
    const ahead = new LineWindow(10);
    const seen = Array.from({ length: 6 }, () => {
      ahead.answered(1, 0.1);
      return ahead.lines;
    });
    expect(seen).toEqual([2, 4, 8, 10, 10, 10]);
  });

  test("one again as soon as a single answer takes long", () => {
    const ahead = new LineWindow(100);
    for (let i = 0; i < 10; i++) ahead.answered(10, 1);
    expect(ahead.lines).toBe(100);
    ahead.answered(1, 500);
    expect(ahead.lines).toBe(1);
  });

  test("never none, and never more than asked for, whatever the clock says", () => {
    for (const tookMs of [-1, 0, 1e-9, 1e9]) {
      const ahead = new LineWindow(1);
      ahead.answered(1, tookMs);
      expect(ahead.lines).toBe(1);
    }
  });
});
