import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../support/build.ts";
import { readPage } from "../../support/pages.ts";

const SRC = join(ROOT, "src");
const DESIGN = await readPage("docs/design.md");

/** All of src, by path from there. */
const FILES = new Map<string, string>();
for (const entry of await readdir(SRC, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  FILES.set(path.slice(SRC.length + 1), await readFile(path, "utf8"));
}

/** The code spans of each cell of each row of the tables below a heading. */
function rowsBelow(heading: string): string[][][] {
  const [, section = ""] = DESIGN.split(`\n## ${heading}\n`);
  const rows = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => /^\|(?! *-)/.test(line));
  return rows.slice(1).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span)),
  );
}

/** Whether a source declares a function, a class, a type or, as `Class.member`, a member of one, private ones too. */
function declares(source: string, name: string): boolean {
  const [owner = "", member] = name.split(".");
  const declared = new RegExp(
    `^(export )?(async )?(abstract )?(function\\*?|class|interface|type|const) ${owner}\\b`,
    "m",
  );
  if (!declared.test(source)) return false;
  return (
    member === undefined ||
    new RegExp(`^  (static |async |get |readonly |\\*)*#?${member}[?]?[(<:]`, "m").test(source)
  );
}

describe("the life of an entry", () => {
  const steps = rowsBelow("The life of an entry");

  test("is told from the socket to the ack", () => {
    expect(steps.length).toBeGreaterThan(10);
  });

  test.each(steps)("%j has %j", ([path = ""], functions) => {
    const source = FILES.get(path);
    expect(source, `src/${path}`).toBeDefined();
    for (const name of functions) expect(declares(source ?? "", name), `${name} in src/${path}`).toBe(true);
  });

  test.each(steps)("%j, %j: what it mentions besides exists", (_path, _functions, mentioned) => {
    for (const name of mentioned.filter((span) => /^[A-Za-z]+(\.[A-Za-z]+)?$/.test(span)))
      expect(
        [...FILES.values()].some((source) => declares(source, name)),
        name,
      ).toBe(true);
  });
});

test.each(rowsBelow("Words").flatMap(([, , names = []]) => names))(
  "the word of %s is still in the code",
  (name) => {
    expect([...FILES.values()].some((source) => declares(source, name))).toBe(true);
  },
);

test("files that the design names are there", () => {
  const paths = [
    ...DESIGN.matchAll(
      /`((?:src\/)?(?:engine|redis|output|commands|config|entry|help|lib|metrics|sandbox)\/[\w/-]+\.ts)`/g,
    ),
  ];
  const missing = paths.map(([, path = ""]) => path.replace("src/", "")).filter((path) => !FILES.has(path));
  expect(missing).toEqual([]);
});
