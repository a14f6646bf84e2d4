import { join } from "node:path";
import { expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";
import { commandLines, parseLine } from "../support/command-lines.ts";

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
  // The program runs the very lines that it prints: none is abridged, and each says all that a shell needs.
  const lines = stdout.split("\n").flatMap((line) => /^ {8}\$ (.*)$/.exec(line)?.[1] ?? []);
  expect(lines.slice(0, 2)).toEqual([
    expect.stringMatching(/^cd \//),
    expect.stringMatching(/^export STREAMCTL_URL=redis:.* PATH=/),
  ]);
  expect(lines.length).toBeGreaterThan(12);
  for (const line of lines.slice(2)) {
    expect(line).not.toContain("…");
    const words = commandLines(line.replace(/^[A-Z_]+=\S+ /, ""));
    expect(words, line).toHaveLength(1);
    await parseLine(words[0] ?? []);
  }
  await demo.untilGone();
});
