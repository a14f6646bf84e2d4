import { expect, test } from "vitest";
import { sourceFiles } from "../../support/design.ts";
import { FEATURES, serversPage } from "../../support/server-features.ts";

const FILES = await sourceFiles();
const PAGE = await serversPage();

test("docs/servers.md says of each feature which server has it, what it is for, and tests ask for it", () => {
  const all = Object.keys(FEATURES).toSorted();
  expect([...PAGE.has.keys()].toSorted()).toEqual(all);
  expect(PAGE.uses.map(({ feature }) => feature).toSorted()).toEqual(all);
  for (const cells of PAGE.has.values()) {
    expect(cells).toHaveLength(PAGE.servers.length);
    expect(cells.filter((cell) => cell !== "yes" && cell !== "–")).toEqual([]);
  }
});

test.each(PAGE.uses)("$feature: $file decides about it", ({ feature, without, file }) => {
  const { word } = FEATURES[feature] ?? { word: feature };
  const source = FILES.get(file);
  expect(source, `src/${file}`).toBeDefined();
  if (!without.startsWith("not used")) return expect(source).toContain(word);
  const users = [...FILES].filter(([, text]) => text.includes(`'${word}'`) || text.includes(`"${word}"`));
  expect(users.map(([path]) => path)).toEqual([]);
});
