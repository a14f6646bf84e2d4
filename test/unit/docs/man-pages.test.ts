import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
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

test("package.json has these pages, so that npm installs them", async () => {
  const man = [...pages.keys()].toSorted().map((name) => `./man/${name}`);
  const path = join(ROOT, "package.json");
  const manifest = JSON.parse(await readFile(path, "utf8")) as object;
  await expect(`${JSON.stringify({ ...manifest, man }, undefined, 2)}\n`).toMatchFileSnapshot(path);
});

test("man/ has no page of a command that is gone", async () => {
  const gone = (await readdir(join(ROOT, "man"))).filter((name) => !pages.has(name));
  expect(gone).toEqual([]);
});
