import { Buffer } from "node:buffer";
import type { Ajv, ErrorObject, Options, ValidateFunction } from "ajv";
import type { Ajv2020 } from "ajv/dist/2020.js";
import { parseJson } from "../json-parse.ts";
import { errorText, UsageError } from "../../errors.ts";
import { readSmallFile } from "../../lib/small-file.ts";
import { useExactNumbers } from "./schema-numbers.ts";
import { limitedPatterns } from "./schema-patterns.ts";

/** What is wrong with a value: where in it (a JSON Pointer, "" for the whole), and why. Undefined: nothing. */
export type SchemaCheck = (value: unknown) => string | undefined;

/**
 * Reads a JSON Schema: draft 2020-12 unless its `$schema` names draft-07. `$ref` reaches no
 * further than the file itself. Numbers are compared as they are written. `onWarning` hears of formats that nobody knows, which are not checked.
 * Throws UsageError for a file that can't be read or is no valid schema.
 */
export async function loadSchema(path: string, onWarning: (message: string) => void): Promise<SchemaCheck> {
  const validate = await compile(await readSchema(path), onWarning);
  return (value) => {
    try {
      return validate(value) ? undefined : describe(validate.errors?.[0]);
    } catch (error) {
      // No value is that deep: json-scan.ts has a limit.
      if (error instanceof RangeError) throw invalid("a $ref in it leads back to itself without end", error);
      throw error;
    }
  };
}

async function readSchema(path: string): Promise<object | boolean> {
  let schema: unknown;
  try {
    schema = parseJson(Buffer.from((await readSmallFile(path)).text));
  } catch (error) {
    throw new UsageError(`can't read --schema: ${errorText(error)}`, { cause: error });
  }
  const possible = typeof schema === "boolean" || (typeof schema === "object" && schema !== null);
  if (!possible || Array.isArray(schema)) throw invalid("a schema is a JSON object");
  if (hasProto(schema)) throw invalid("a field called __proto__ can't be checked");
  return schema as object | boolean;
}

/** Ajv passes over what a schema says about this name. */
function hasProto(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  return Object.hasOwn(schema, "__proto__") || Object.values(schema).some(hasProto);
}

async function compile(
  schema: object | boolean,
  onWarning: (message: string) => void,
): Promise<ValidateFunction> {
  const options: Options = {
    // Keywords that are not known are annotations, as the specification has it.
    strict: false,
    // Else a field that is not there, but has the name of something every object inherits, would be checked.
    ownProperties: true,
    code: { regExp: await limitedPatterns() },
    logger: { log: onWarning, warn: onWarning, error: onWarning },
  };
  const [Dialect, formats] = await Promise.all([dialectOf(schema), import("ajv-formats")]);
  const ajv = new Dialect(options);
  formats.default.default(ajv);
  useExactNumbers(ajv);
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(schema);
  } catch (error) {
    throw invalid(reasonOf(error), error);
  }
  if ("$async" in validate) throw invalid("$async schemas are not supported");
  return validate;
}

async function dialectOf(schema: object | boolean): Promise<typeof Ajv | typeof Ajv2020> {
  const dialect = typeof schema === "object" && "$schema" in schema ? String(schema.$schema) : "2020-12";
  if (dialect.includes("2020-12")) return (await import("ajv/dist/2020.js")).Ajv2020;
  if (dialect.includes("draft-07")) return (await import("ajv")).Ajv;
  throw invalid(`$schema ${dialect} is not supported: draft 2020-12 and draft-07 are`);
}

function reasonOf(error: unknown): string {
  const missing = error instanceof Error && "missingRef" in error ? String(error.missingRef) : undefined;
  if (missing === undefined) return errorText(error).replace(/^schema is invalid: data/, "");
  return `it refers to ${missing}, which is not in the file: nothing is fetched from elsewhere`;
}

function invalid(reason: string, cause?: unknown): UsageError {
  return new UsageError(`--schema is not a valid JSON Schema: ${reason}`, { cause });
}

/** `/items/0/price: must be number`. */
function describe(error: ErrorObject | undefined): string {
  const { instancePath = "", message = "does not match the schema", keyword, params = {} } = error ?? {};
  const path = instancePath === "" ? "" : `${instancePath}: `;
  return path + message + detail(keyword, params as Readonly<Record<string, unknown>>);
}

/** What ajv's message leaves out. */
function detail(keyword: string | undefined, params: Readonly<Record<string, unknown>>): string {
  const telling = keyword === undefined ? undefined : TELLING_PARAMS[keyword];
  return telling === undefined ? "" : `: ${JSON.stringify(params[telling])}`;
}

const TELLING_PARAMS: Readonly<Record<string, string>> = {
  additionalProperties: "additionalProperty",
  unevaluatedProperties: "unevaluatedProperty",
};
