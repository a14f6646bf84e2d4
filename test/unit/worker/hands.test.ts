import { expect, test } from "vitest";
import { Hands } from "../../../src/engine/worker/hands.ts";
import type { Delivery } from "../../../src/engine/worker/types.ts";

function delivery(id: string): Delivery {
  return { stream: "orders", entry: { id, fields: [] }, deliveries: 1, lost: false };
}

test("what was settled after a step was asked for is over, though the step has brought it once more", () => {
  const hands = new Hands(() => 4, 1);
  const askedAt = performance.now() - 1;
  hands.over(delivery("1-0"));
  expect(hands.isOverSince(askedAt, delivery("1-0"))).toBe(true);
  expect(hands.isOverSince(askedAt, delivery("2-0"))).toBe(false);
  expect(hands.isOverSince(performance.now() + 1, delivery("1-0"))).toBe(false);
});

test("of what was settled, only the latest is remembered", () => {
  const hands = new Hands(() => 4, 1);
  for (let n = 0; n <= 4_096; n++) hands.over(delivery(`${n}-0`));
  expect(hands.isOverSince(0, delivery("0-0"))).toBe(false);
  expect(hands.isOverSince(0, delivery("1-0"))).toBe(true);
});
