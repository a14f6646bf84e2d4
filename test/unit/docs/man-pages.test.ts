import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { buildProgram } from "../../../src/program.ts";
import { ROOT } from "../../support/build.ts";
import { manPages } from "../../support/man-pages.ts";

const pages = manPages(await buildProgram(() => () => Promise.resolve()));

// The pages themselves are the snapshots.
test.each([...pages])(
  "man/%s is what the commands declare (npm run docs writes it anew)",
  async (name, page) => {
    await expect(page).toMatchFileSnapshot(join(ROOT, "man", name));
  },
);

test("man/ and package.json have these pages and no others", async () => {
  const names = [...pages.keys()].toSorted();
  expect((await readdir(join(ROOT, "man"))).toSorted()).toEqual(names);
  expect(manifest.man).toEqual(names.map((name) => `./man/${name}`));
});
