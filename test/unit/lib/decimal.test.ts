import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalDecimal, compareDecimals, isMultiple, isWhole } from "../../../src/lib/decimal.ts";

/** A number of so many millionths, in one of the ways to write it: the point moved, and the exponent with it. */
const written = fc
  .record({
    millionths: fc.oneof(
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.bigInt({ min: -20n, max: 20n }),
    ),
    moved: fc.integer({ min: -6, max: 12 }),
    zeros: fc.nat(3),
  })
  .map(({ millionths, moved, zeros }) => {
    const size = millionths < 0n ? -millionths : millionths;
    const digits = String(size).padStart(20, "0");
    const point = digits.length - 6 - moved;
    const whole = String(BigInt(digits.slice(0, point)));
    const fraction = digits.slice(point) + "0".repeat(zeros);
    const sign = millionths < 0n ? "-" : "";
    const power = moved === 0 ? "" : moved > 0 ? `e+${moved}` : `E${moved}`;
    return { text: `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}${power}`, millionths };
  });

describe("decimals against whole millionths", () => {
  test("compare as the numbers do, and have one canonical text each", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        const order = a.millionths < b.millionths ? -1 : a.millionths > b.millionths ? 1 : 0;
        expect(Math.sign(compareDecimals(a.text, b.text))).toBeCloseTo(order);
        expect(canonicalDecimal(a.text) === canonicalDecimal(b.text)).toBe(order === 0);
        expect(compareDecimals(a.text, a.text)).toBe(0);
      }),
    );
  });

  test("are whole and multiples when the numbers are", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        expect(isWhole(a.text)).toBe(a.millionths % 1_000_000n === 0n);
        fc.pre(b.millionths > 0n);
        expect(isMultiple(a.text, b.text)).toBe(a.millionths % b.millionths === 0n);
      }),
    );
  });
});

test("any exponent and any length takes no time to speak of", () => {
  expect(compareDecimals("1e999999999999999999999", "1")).toBeGreaterThan(0);
  expect(isMultiple("1e999999999999", "7")).toBe(false);
  expect(isMultiple("7e999999999999", "7e-999999999999")).toBe(true);
  expect(compareDecimals(`0.${"0".repeat(100_000)}1`, `0.${"0".repeat(100_000)}2`)).toBeLessThan(0);
});
