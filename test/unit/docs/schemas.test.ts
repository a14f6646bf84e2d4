import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { allCommands } from "../../../src/commands/tree.ts";
import { buildProgram } from "../../../src/program.ts";
import { OUTPUTS } from "../../support/contract/outputs.ts";
import {
  fieldLines,
  PUBLISHED,
  publishedLines,
  schemaFile,
  SCHEMAS,
  SHAPES,
} from "../../support/contract/schemas.ts";
import { sourceFiles } from "../../support/design.ts";

const names = Object.keys(SHAPES);
const lines = fieldLines();
const published = await publishedLines();

// The files themselves are the snapshots.
test.each(names)("docs/schemas/%s.json is what is declared (npm run docs writes it anew)", async (name) => {
  const text = `${JSON.stringify(schemaFile(name), undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(SCHEMAS, `${name}.json`));
});

test("docs/schemas has no schema of what is not printed any more", async () => {
  const files = (await readdir(SCHEMAS)).filter((file) => file.endsWith(".json"));
  expect(files.toSorted()).toEqual(names.map((name) => `${name}.json`).toSorted());
});

test("no field that programs read goes away, is left out at times, or gets another type", () => {
  expect(published.filter((line) => !lines.includes(line))).toEqual([]);
});

test("docs/schemas/fields.txt has every field (npm run docs adds to it)", async () => {
  const all = [...new Set([...published, ...lines])].toSorted();
  await expect(`${all.join("\n")}\n`).toMatchFileSnapshot(PUBLISHED);
});

test("every command says what programs read of it", async () => {
  const program = await buildProgram(() => () => Promise.resolve());
  const commands = [...allCommands(program)].filter(([, { commands: below }]) => below.length === 0);
  expect(Object.keys(OUTPUTS).toSorted()).toEqual(commands.map(([path]) => path).toSorted());
});

test("every schema is of something that is printed", () => {
  const used = Object.values(OUTPUTS).flatMap(({ rows, summaries = [] }) =>
    [...rows, ...summaries].map(({ schema }) => schema),
  );
  expect([...new Set([...used, "log"])].filter((name) => name !== "").toSorted()).toEqual(names.toSorted());
});

/** Columns that only people see. */
const ON_SCREEN = ["lags", "name", "text"];

test("every column is a field of some schema", async () => {
  const known = new Set([...ON_SCREEN, ...lines.map((line) => /(\w+)\??\s/.exec(line)?.[1])]);
  const columns = [...(await sourceFiles())].flatMap(([path, source]) =>
    source.includes("Column<")
      ? [...source.matchAll(/\bkey: "(\w+)"|Column\(\s*"(\w+)"/g)].map(
          ([, key, first]) => [path, key ?? first] as const,
        )
      : [],
  );
  expect(columns.length).toBeGreaterThan(80);
  expect(columns.filter(([, key]) => !known.has(key))).toEqual([]);
});

describe("the names of fields", () => {
  const properties = names.flatMap((name) =>
    Object.entries(schemaFile(name)["properties"] as Record<string, { description?: string }>).map(
      ([field, { description = "" }]) => ({ where: `${name}.${field}`, field, description }),
    ),
  );

  test("are camelCase", () => {
    expect(properties.filter(({ field }) => !/^[a-z]+([A-Z][a-z]+)*$/.test(field))).toEqual([]);
  });

  test("end with Ms where they are durations, and nowhere else", () => {
    const odd = properties.filter(
      ({ field, description }) => field.endsWith("Ms") !== /, in milliseconds\b/.test(description),
    );
    expect(odd.map(({ where }) => where)).toEqual([]);
  });
});
