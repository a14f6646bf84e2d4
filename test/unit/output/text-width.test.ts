import { describe, expect, test } from "vitest";
import { cutText, padding, textWidth } from "../../../src/output/text-width.ts";

const FAMILY = "👨‍👩‍👧";
/** e and a combining accent: two code points, one column. */
const ACCENT = "e\u0301";

describe("the width of a text is that which terminals show", () => {
  test.each([
    ["orders", 6],
    ["≥1\u202f234", 6],
    ["注文", 4],
    [ACCENT, 1],
    ["🚀", 2],
    [FAMILY, 2],
    ["🇩🇪", 2],
    ["", 0],
  ])("%s", (text, width) => {
    expect(textWidth(text)).toBe(width);
    expect(text + padding(text, 8)).toHaveLength(text.length + 8 - width);
  });
});

describe("a cut text is never wider than there is room, and no character is cut in two", () => {
  test.each([
    ["orders:created:eu", 9, 0.5, "orde…d:eu"],
    ["orders:created:eu", 9, 1, "orders:c…"],
    ["注文注文注文", 6, 0.5, "注…文"],
    [`${FAMILY}${FAMILY}${FAMILY}${FAMILY}`, 5, 0.5, `${FAMILY}…${FAMILY}`],
    [`${ACCENT}${ACCENT}${ACCENT}${ACCENT}`, 3, 0.5, `${ACCENT}…${ACCENT}`],
    ["orders", 1, 0.5, "…"],
    ["orders", 0, 1, ""],
    ["orders", 6, 0.5, "orders"],
    ["orders:created:eu", 9, 0.25, "or…ted:eu"],
    ["orders:created:eu", 9, 0.75, "orders…eu"],
  ] as const)("%s in %i, %d", (text, width, head, shown) => {
    expect(cutText(text, width, head)).toBe(shown);
    expect(textWidth(shown)).toBeLessThanOrEqual(width);
  });
});
