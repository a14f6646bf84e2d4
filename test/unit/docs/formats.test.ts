import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/build.ts";
import { commandOf, OUTPUTS, schemaOf } from "../../support/contract/outputs.ts";
import { shapeOf } from "../../support/contract/schemas.ts";

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

test("there are snapshots to compare with", () => {
  expect(printed.length).toBeGreaterThan(8);
});

test.each(printed)("%s prints its fields in the order that docs/formats.md shows", (line, names) => {
  const argv = line.split(" ");
  const schema = schemaOf(OUTPUTS[commandOf(argv) ?? ""]?.rows ?? [], argv);
  const { fields } = shapeOf(schema ?? "");
  expect(names).toEqual(Object.keys(fields).filter((name) => names.includes(name)));
  const always = Object.entries(fields).filter(([, { only }]) => only === undefined);
  expect(names).toEqual(expect.arrayContaining(always.map(([name]) => name)));
});
