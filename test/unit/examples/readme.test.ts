import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commandLines, parseLine } from "../../support/command-lines.ts";

const README = join(import.meta.dirname, "..", "..", "..", "README.md");

test("every command line of the README is one that streamctl takes", async () => {
  const text = await readFile(README, "utf8");
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = ""]) => block);
  const lines = blocks.flatMap((block) => block.split("\n").flatMap((line) => commandLines(line)));
  expect(lines.length).toBeGreaterThan(50);
  for (const line of lines) await expect(parseLine(line), line.join(" ")).resolves.toBeDefined();
});
