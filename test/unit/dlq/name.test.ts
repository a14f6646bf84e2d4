import { describe, expect, test } from "vitest";
import { dlqKey, looksLikeQueue } from "../../../src/engine/dlq/name.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { keySlot } from "../../../src/redis/keys.ts";

describe("the dead-letter queue's name", () => {
  test.each([
    ["orders", { cluster: false }, "orders:dlq"],
    ["orders", { cluster: true }, "{orders}:dlq"],
    ["{shop}orders", { cluster: true }, "{shop}orders:dlq"],
    ["orders", { cluster: false, template: "dead/{stream}" }, "dead/orders"],
    ["orders", { cluster: true, template: "dead/{stream}" }, "dead/{orders}"],
    ["{shop}orders", { cluster: true, template: "dead/{stream}" }, "dead/{shop}orders"],
    ["a}b", { cluster: true, template: "dead/{stream}" }, "dead/a}b"],
    ["$&", { cluster: false, template: "dead/{stream}" }, "dead/$&"],
    ["orders", { cluster: true, template: "all-dead" }, "all-dead"],
    ["orders", { cluster: true, template: "dead/{stream}", explicit: "mine" }, "mine"],
  ])("%s with %o is %s", (stream, naming, expected) => {
    expect(dlqKey(streamKey(stream), naming)).toBe(expected);
  });

  test.each(["orders", "{shop}orders", "a{b}c"])("%s shares its slot with its queue", (stream) => {
    for (const template of [undefined, "dead/{stream}/x"]) {
      expect(keySlot(dlqKey(streamKey(stream), { cluster: true, template }))).toBe(keySlot(stream));
    }
  });
});

test.each([
  ["orders:dlq", undefined, true],
  ["{orders}:dlq", undefined, true],
  ["orders:*:dlq", undefined, true],
  ["orders:dlqs", undefined, false],
  ["orders*", undefined, false],
  ["dead:orders", "dead:{stream}", true],
  ["orders:dlq", "dead:{stream}", false],
  ["graveyard", "graveyard", true],
  ["orders", "{stream}", false],
])("%s with the template %s looks like a queue: %s", (key, template, is) => {
  expect(looksLikeQueue(key, template)).toBe(is);
});
