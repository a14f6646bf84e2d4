import { describe, expect, test } from "vitest";
import { Pacer } from "../../../src/lib/rate.ts";

describe("the pace of starts", () => {
  test("a start that comes due between two looks at the clock is waited for, not forgotten", () => {
    let now = 0;
    const pacer = new Pacer(10, () => now);
    expect(pacer.allow(4, 0)).toBe(1);
    pacer.count();
    now = 99;
    expect(pacer.allow(4, 0)).toBe(0);
    now = 100;
    expect(pacer.waitMs()).toBe(1);
    expect(pacer.allow(4, 0)).toBe(1);
    expect(pacer.waitMs()).toBeUndefined();
  });

  test("without a rate nothing is held", () => {
    const pacer = new Pacer(undefined);
    expect(pacer.allow(4, 0)).toBe(4);
    expect(pacer.waitMs()).toBeUndefined();
  });

  test("at high rates a small group may start together", () => {
    expect(new Pacer(1_000, () => 0).allow(100, 0)).toBe(50);
  });

  test("what is asked for beforehand starts when it is due, however long the asking takes", () => {
    let now = 0;
    const pacer = new Pacer(10, () => now);
    expect(pacer.allow(4, 250)).toBe(3);
    expect([pacer.count(), pacer.count(), pacer.count()]).toEqual([0, 100, 200]);
    expect(pacer.allow(4, 250)).toBe(0);
    expect(pacer.waitMs()).toBe(50);
    now = 250;
    expect(pacer.allow(4, 250)).toBe(3);
    expect(pacer.count()).toBe(300);
  });

  test("a start that was held up is not caught up on by those that wait", () => {
    let now = 0;
    const pacer = new Pacer(10, () => now);
    pacer.allow(4, 1_000);
    const [first] = [pacer.count(), pacer.count()];
    now = 2_000;
    expect(pacer.late(first)).toBe(1_950);
    expect(pacer.count()).toBe(200 + 1_950);
    expect(pacer.late(now - 50)).toBe(0);
  });
});
