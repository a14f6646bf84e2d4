import { describe, expect, test } from "vitest";
import { Pacer } from "../../../src/lib/rate.ts";

describe("the pace of starts", () => {
  test("a start that comes due between two looks at the clock is waited for, not forgotten", () => {
    let now = 0;
    const pacer = new Pacer(10, () => now);
    expect(pacer.allow(4)).toBe(1);
    pacer.count();
    now = 99;
    expect(pacer.allow(4)).toBe(0);
    now = 100;
    expect(pacer.waitMs()).toBe(1);
    expect(pacer.allow(4)).toBe(1);
    expect(pacer.waitMs()).toBeUndefined();
  });

  test("without a rate nothing is held", () => {
    const pacer = new Pacer(undefined);
    expect(pacer.allow(4)).toBe(4);
    expect(pacer.waitMs()).toBeUndefined();
  });

  test("at high rates a small group may start together", () => {
    expect(new Pacer(1_000, () => 0).allow(100)).toBe(50);
  });
});
