import { describe, expect, test } from "vitest";
import { Gathered } from "../../../src/lib/gathered.ts";

const MIB = 1024 * 1024;

describe("chunks of a line", () => {
  test.each([
    ["a few", 3, 32 * MIB],
    ["many", 12, 32 * MIB],
    ["more than were expected", 12, 9 * MIB],
    ["more than may be held", 12, 2 * MIB],
  ])("%s are one buffer in the end, in their order", (_, count, most) => {
    const gathered = new Gathered(most);
    const chunks = Array.from({ length: count }, (__, n) => Buffer.alloc(MIB - n, n));
    for (const chunk of chunks) gathered.add(chunk);
    const all = Buffer.concat(chunks);
    expect(gathered.length).toBe(all.length);
    expect(gathered.bytes().equals(all)).toBe(true);
  });
});
