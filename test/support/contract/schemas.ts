import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../build.ts";
import { DEFINITIONS, object, type Schema } from "./kinds.ts";
import { MESSAGES } from "./messages.ts";
import { OUTPUTS } from "./outputs.ts";
import { ROWS, type Shape } from "./rows.ts";

/** Everything that programs read, by names of files in docs/schemas. */
export const SHAPES: Readonly<Record<string, Shape>> = { ...ROWS, ...MESSAGES };

export const SCHEMAS = join(ROOT, "docs", "schemas");

/** The fields that there have been, a line each; `npm run docs` adds to it, and nothing takes away. */
export const PUBLISHED = join(SCHEMAS, "fields.txt");

/** What docs/schemas/NAME.json holds. Objects stay open, because fields are added. */
export function schemaFile(name: string): Schema {
  const { title, fields } = shapeOf(name);
  const body = object(fields);
  const named = JSON.stringify(body).includes('"$ref"');
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `urn:streamctl:${name}`,
    title,
    ...body,
    ...(named && { $defs: DEFINITIONS }),
  };
}

export function shapeOf(name: string): Shape {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`no schema ${name} in test/support/contract`);
  return shape;
}

/** `lag.lag integer|null`; `?` where the field may be left out. */
export function fieldLines(): string[] {
  return Object.keys(SHAPES)
    .flatMap((name) => linesOf(name, schemaFile(name)))
    .toSorted();
}

export async function publishedLines(): Promise<string[]> {
  return (await readFile(PUBLISHED, "utf8")).split("\n").filter((line) => line !== "");
}

function linesOf(path: string, schema: Schema): string[] {
  const required = schema["required"] as readonly string[];
  return Object.entries(schema["properties"] as Record<string, Schema>).flatMap(([name, field]) => {
    const where = `${path}.${name}`;
    const items = field["items"] as Schema | undefined;
    const below = items?.["properties"] === undefined ? [] : linesOf(`${where}[]`, items);
    return [`${where}${required.includes(name) ? "" : "?"} ${typeText(field)}`, ...below];
  });
}

function typeText({ type, $ref, anyOf }: Schema): string {
  if (typeof $ref === "string") return $ref.replace("#/$defs/", "");
  if (Array.isArray(anyOf)) return anyOf.map((one: Schema) => typeText(one)).join("|");
  return [type].flat().join("|");
}

/** A page with what commands print between `<!-- rows -->` and `<!-- /rows -->`: fields, and where the schema is. */
export function withRowTable(page: string): string {
  return page.replace(/^<!-- rows -->$[^]*?^<!-- \/rows -->$/m, () =>
    ["<!-- rows -->", "", ...rowTable(), "", "<!-- /rows -->"].join("\n"),
  );
}

/** Aligned as the formatter does it. */
function rowTable(): string[] {
  const rows = [...users()].map(([name, commands]) => [
    commands.map((command) => `\`${command}\``).join(", "),
    fieldsText(shapeOf(name)),
    `[${name}](schemas/${name}.json)`,
  ]);
  const heads = ["command", "fields", "schema"];
  const widths = heads.map((head, at) => Math.max(...[head, ...rows.map((row) => row[at] ?? "")].map(width)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - width(cell))).join(" | ")} |`;
  return [line(heads), line(widths.map((one) => "-".repeat(one))), ...rows.map(line)];
}

/** The command lines that print each shape, in the order of the commands. */
function users(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (name: string, line: string): unknown => found.set(name, [...(found.get(name) ?? []), line]);
  for (const [path, { rows }] of Object.entries(OUTPUTS))
    for (const { schema, flags } of rows)
      if (schema !== "") add(schema, flags === undefined ? path : `${path} ${flags.join(" ")}`);
  for (const [path, { summaries = [] }] of Object.entries(OUTPUTS))
    for (const { schema, flags } of summaries)
      add(schema, `${path}${flags === undefined ? "" : ` ${flags[0]}`}, on stderr`);
  return found.set("log", ["--log json"]);
}

/** What is always there, then what is there at times: `dueInMs` with `--claim-idle`. */
function fieldsText({ fields }: Shape): string {
  const byTime = new Map<string | undefined, string[]>([[undefined, []]]);
  for (const [name, { only }] of Object.entries(fields))
    byTime.set(only, [...(byTime.get(only) ?? []), name]);
  return [...byTime]
    .map(([when, some]) => `\`${some.join(" ")}\`${when === undefined ? "" : ` ${when}`}`)
    .join(", ");
}

function width(text: string): number {
  return Array.from(text).length;
}
