import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/build.ts";
import { readPage } from "../../support/pages.ts";

/** What commands printed in the snapshots of test/integration/forms: the command line, and the names in its first row. */
const FORMS = join(ROOT, "test", "integration", "forms");
const printed: [line: string, names: string[]][] = [];
for (const file of (await readdir(FORMS)).filter((name) => name.endsWith(".txt"))) {
  const text = await readFile(join(FORMS, file), "utf8");
  const [, line = "", row] = /^\$ streamctl (.*)[^]*?^── pipe.*\n(\{.*\})$/m.exec(text) ?? [];
  // Numbers that change from run to run are masked.
  if (row !== undefined)
    printed.push([line, Object.keys(JSON.parse(row.replaceAll(/:N\b/g, ":0")) as object)]);
}

const page = await readPage("docs/formats.md");
const [, section = ""] = /^## Rows\n([^]*?)^## /m.exec(page) ?? [];
const documented = section.split("\n").flatMap((row) => {
  const [command, names, ...more] = [...row.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);
  return command !== undefined && names !== undefined && row.startsWith("| `")
    ? [{ command, names, more }]
    : [];
});

test("there are snapshots to compare with", () => {
  expect(printed.length).toBeGreaterThan(8);
});

test.each(printed)("%s prints the row that docs/formats.md shows", (line, names) => {
  const words = new Set(line.split(" "));
  const matching = documented.filter(({ command }) => command.split(" ").every((word) => words.has(word)));
  const row = matching.toSorted((a, b) => b.command.length - a.command.length)[0];
  expect(row, line).toBeDefined();
  const described =
    row?.command === "group destroy" ? documented.find(({ command }) => command === "lag") : row;
  const always = described?.names.split(" ") ?? [];
  expect(names.slice(0, always.length)).toEqual(always);
  for (const name of names.slice(always.length)) expect(described?.more, line).toContain(name);
});
