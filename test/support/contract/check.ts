import type { Ajv2020, ValidateFunction } from "ajv/dist/2020.js";
import type { Schema } from "./kinds.ts";
import { commandOf, OUTPUTS, schemaOf } from "./outputs.ts";
import { schemaFile } from "./schemas.ts";

/** What a run printed, and how it was told to. */
export interface Printout {
  readonly argv: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

/** A text is looked at up to here: what comes later has the same columns. */
const LOOKED_AT = 100_000;

const OTHER_FORM = /^(-o|--output=?)?(raw|csv|table|prometheus)$/;

/**
 * Fails where what a command printed as JSON is not what docs/schemas says, to the letter: a field that the schema
 * does not name is a fault, too. Resolves with each object by its schema's name.
 */
export async function checkPrintout({
  argv,
  stdout,
  stderr,
}: Printout): Promise<(readonly [string, Schema])[]> {
  const command = commandOf(argv);
  if (command === undefined) return [];
  const { rows, summaries = [] } = OUTPUTS[command] ?? { rows: [] };
  const found: (readonly [string, Schema])[] = [];
  const row = schemaOf(rows, argv);
  if (row !== undefined && !argv.some((word) => OTHER_FORM.test(word)))
    found.push(...objectsIn(stdout).map((value) => [row, value] as const));
  const logged = hasForm(argv, "--log", "json");
  if (logged) {
    const lines = objectsIn(stderr).filter((value) => "level" in value && "message" in value);
    found.push(...lines.map((value) => ["log", value] as const));
  } else if (argv.includes("--json") || hasForm(argv, "-o", "json")) {
    const summary = schemaOf(summaries, argv);
    // Handlers write to stderr, too; the summary comes last.
    const last = objectsIn(stderr).at(-1);
    if (summary !== undefined && last && stderr.endsWith("}\n")) found.push([summary, last]);
  }
  for (const [name, value] of found) await mustMatch(name, value);
  return found;
}

function hasForm(argv: readonly string[], flag: string, form: string): boolean {
  return argv.some((word, at) => (word === flag && argv[at + 1] === form) || word === `${flag}=${form}`);
}

/** The objects of NDJSON or of one array; nothing for what is neither. */
function objectsIn(text: string): Schema[] {
  const whole = text.length <= LOOKED_AT;
  if (text.startsWith("[")) return whole ? [parsed(text)].flat().filter(isObject) : [];
  const lines = text.slice(0, LOOKED_AT).split("\n");
  // What comes after the last line end was cut off, here or by what ended the run.
  return lines.slice(0, -1).map(parsed).filter(isObject);
}

function parsed(text: string): unknown {
  if (!/^[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

let ajv: Ajv2020 | undefined;
const compiled = new Map<string, ValidateFunction>();

/** Fails where an object is not what docs/schemas says of that name. */
export async function mustMatch(name: string, value: Schema): Promise<void> {
  const matches = compiled.get(name) ?? (await compile(name));
  if (matches(value)) return;
  const [error] = matches.errors ?? [];
  const what = `${error?.instancePath ?? ""} ${error?.message ?? ""} ${JSON.stringify(error?.params)}`;
  throw new Error(
    `docs/schemas/${name}.json says otherwise (test/support/contract, npm run docs): ${what} of ${JSON.stringify(value).slice(0, 2_000)}`,
  );
}

async function compile(name: string): Promise<ValidateFunction> {
  ajv ??= await strictAjv();
  const matches = ajv.compile(strict(schemaFile(name)));
  compiled.set(name, matches);
  return matches;
}

async function strictAjv(): Promise<Ajv2020> {
  const [{ Ajv2020: Ajv }, formats] = await Promise.all([import("ajv/dist/2020.js"), import("ajv-formats")]);
  const made = new Ajv({ strict: true, allowUnionTypes: true });
  formats.default.default(made);
  return made;
}

/** The same schema with nothing left open: neither fields nor the words that may come later. */
function strict(schema: unknown): Schema {
  return strictly(schema) as Schema;
}

function strictly(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strictly);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strictly(value)]));
  if (copy["type"] === "object" && copy["properties"] && copy["additionalProperties"] === undefined)
    copy["additionalProperties"] = false;
  if (Array.isArray(copy["examples"]))
    copy["enum"] = [
      ...(copy["examples"] as unknown[]),
      ...([copy["type"]].flat().includes("null") ? [null] : []),
    ];
  return copy;
}
