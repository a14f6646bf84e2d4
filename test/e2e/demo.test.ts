import { join } from "node:path";
import { expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";

test("the demo adds up: what was produced is what was handled and what was dead-lettered", async () => {
  const demo = new BinRun([], { program: [process.execPath, join(ROOT, "scripts", "demo.mjs")] });
  const { code, stdout, stderr } = await demo.done;
  expect(stderr).toBe("");
  const sum = /produced (\d+) = handled (\d+) \+ dead-lettered (\d+)\n$/.exec(stdout);
  expect(sum, stdout).not.toBeNull();
  const [produced = 0, handled = 0, dead = 0] = sum?.slice(1).map(Number) ?? [];
  expect(produced).toBe(handled + dead);
  expect(dead).toBeGreaterThan(0);
  expect(code).toBe(0);
  await demo.untilGone();
});
