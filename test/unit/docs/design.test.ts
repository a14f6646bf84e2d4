import { describe, expect, test } from "vitest";
import { declares, designRows, lifeOfAnEntry, sourceFiles } from "../../support/design.ts";
import { readPage } from "../../support/pages.ts";

const DESIGN = await readPage("docs/design.md");
const FILES = await sourceFiles();

function isDeclared(name: string): boolean {
  return [...FILES.values()].some((source) => declares(source, name));
}

describe("the life of an entry", async () => {
  const steps = await lifeOfAnEntry();

  test("is told from the reply to the ack, by no more than 12 files and 30 functions", () => {
    expect(steps[0]?.passes).toEqual(["readNew"]);
    expect(steps.flatMap(({ passes }) => passes)).toContain("ackOwned");
    expect(new Set(steps.map(({ path }) => path)).size).toBeLessThanOrEqual(12);
    expect(new Set(steps.flatMap(({ passes }) => passes)).size).toBeLessThanOrEqual(30);
  });

  test.each(steps)("$path has $passes", ({ path, passes }) => {
    const source = FILES.get(path);
    expect(source, `src/${path}`).toBeDefined();
    for (const name of passes) expect(declares(source ?? "", name), `${name} in src/${path}`).toBe(true);
  });

  test.each(steps)("$path, $passes: what it asks and mentions exists", ({ asks, mentions }) => {
    for (const name of asks) expect(isDeclared(name), name).toBe(true);
    for (const name of mentions.filter((span) => /^[A-Za-z]+(\.[A-Za-z]+)?$/.test(span)))
      expect(isDeclared(name), name).toBe(true);
  });
});

test.each((await designRows("Words")).flatMap(([, , names = []]) => names))(
  "the word of %s is still in the code",
  (name) => {
    expect(isDeclared(name)).toBe(true);
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

describe("where things are", async () => {
  const listed = (await designRows("Where things are")).flatMap(([paths = []]) => paths);
  const folders = new Set(listed.map((path) => path.slice(0, path.lastIndexOf("/"))));

  test("names each file once", () => {
    expect(listed).toHaveLength(new Set(listed).size);
    expect(folders.size).toBeGreaterThan(10);
  });

  test.each([...folders])("names every file of %s", (folder) => {
    const there = [...FILES.keys()].filter((path) => path.slice(0, path.lastIndexOf("/")) === folder);
    expect(there.filter((path) => !listed.includes(path))).toEqual([]);
  });
});
