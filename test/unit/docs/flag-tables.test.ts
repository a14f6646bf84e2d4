import { join } from "node:path";
import { expect, test } from "vitest";
import { buildProgram } from "../../../src/program.ts";
import { ROOT } from "../../support/build.ts";
import { withRowTable } from "../../support/contract/schemas.ts";
import { withFlagTables } from "../../support/flag-tables.ts";
import { pageNames, readPage } from "../../support/pages.ts";

const program = await buildProgram(() => () => Promise.resolve());

// The pages themselves are the snapshots.
test.each(await pageNames())(
  "%s: its tables are what is declared (npm run docs writes them anew)",
  async (page) => {
    const text = withRowTable(withFlagTables(await readPage(page), program));
    await expect(text).toMatchFileSnapshot(join(ROOT, page));
  },
);
