import { join } from "node:path";
import { expect, test } from "vitest";
import { buildProgram } from "../../../src/program.ts";
import { ROOT } from "../../support/build.ts";
import { withFlagTables } from "../../support/flag-tables.ts";
import { pageNames, readPage } from "../../support/pages.ts";

const program = await buildProgram(() => () => Promise.resolve());

// The pages themselves are the snapshots.
test.each(await pageNames())(
  "%s: its flag tables are what the commands declare (npm run docs writes them anew)",
  async (page) => {
    await expect(withFlagTables(await readPage(page), program)).toMatchFileSnapshot(join(ROOT, page));
  },
);
