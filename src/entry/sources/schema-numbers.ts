import type { Ajv, FuncKeywordDefinition } from "ajv";
import type { DataValidateFunction } from "ajv/dist/types/index.js";
import { exactNumber, jsonText } from "../json-parse.ts";
import { compareDecimals, isMultiple } from "../../lib/decimal.ts";

type Context = Parameters<DataValidateFunction>[1];
/** What is wrong with data of the type that the keyword is for. */
type Fails<Data> = (data: Data, context: Context | undefined) => string | undefined;
type Compile<Schema, Data> = (schema: Schema, parent: unknown) => Fails<Data>;

/**
 * Has a validator compare numbers as they were written, and not as JavaScript rounds them: 64-bit integers
 * and decimals such as 0.07 as a multiple of 0.01. Schema and data must come from `parseJson`.
 */
export function useExactNumbers(ajv: Ajv): void {
  const limits = [
    ["maximum", "<=", (order: number) => order <= 0],
    ["minimum", ">=", (order: number) => order >= 0],
    ["exclusiveMaximum", "<", (order: number) => order < 0],
    ["exclusiveMinimum", ">", (order: number) => order > 0],
  ] as const;
  for (const [keyword, sign, holds] of limits)
    replace(ajv, keyword, { type: "number", schemaType: "number" }, (schema: number, parent) => {
      const limit = exactNumber(parent, keyword, schema);
      return (data: number, context) =>
        holds(compareDecimals(textOf(data, context), limit)) ? undefined : `must be ${sign} ${limit}`;
    });
  replace(ajv, "multipleOf", { type: "number", schemaType: "number" }, (schema: number, parent) => {
    const unit = exactNumber(parent, "multipleOf", schema);
    return (data: number, context) =>
      isMultiple(textOf(data, context), unit) ? undefined : `must be multiple of ${unit}`;
  });
  replace(ajv, "const", {}, (schema: unknown, parent) => {
    const wanted = jsonText(parent, "const", schema, true);
    const message = `must be equal to constant: ${jsonText(parent, "const", schema)}`;
    return (data: unknown, context) => (canonical(data, context) === wanted ? undefined : message);
  });
  replace(ajv, "enum", { schemaType: "array" }, (schema: unknown[], parent) => {
    const wanted = new Set(schema.map((value, index) => jsonText(schema, index, value, true)));
    const message = `must be equal to one of the allowed values: ${jsonText(parent, "enum", schema)}`;
    return (data: unknown, context) => (wanted.has(canonical(data, context)) ? undefined : message);
  });
  replace(ajv, "uniqueItems", { type: "array", schemaType: "boolean" }, (schema: boolean) => {
    return (data: unknown[]) => (schema ? duplicates(data) : undefined);
  });
}

function replace<Schema, Data>(
  ajv: Ajv,
  keyword: string,
  definition: Pick<FuncKeywordDefinition, "type" | "schemaType">,
  compile: Compile<Schema, Data>,
): void {
  ajv.removeKeyword(keyword);
  ajv.addKeyword({
    ...definition,
    keyword,
    errors: true,
    compile(schema: Schema, parent) {
      const fails = compile(schema, parent);
      const validate: DataValidateFunction = (data: Data, context?: Context) => {
        const message = fails(data, context);
        if (message !== undefined) validate.errors = [{ keyword, message, params: {} }];
        return message === undefined;
      };
      return validate;
    },
  });
}

function textOf(data: number, context: Context | undefined): string {
  return exactNumber(context?.parentData, context?.parentDataProperty ?? "", data);
}

function canonical(data: unknown, context: Context | undefined): string {
  return jsonText(context?.parentData, context?.parentDataProperty ?? "", data, true);
}

function duplicates(items: readonly unknown[]): string | undefined {
  const seen = new Map<string, number>();
  for (const [index, item] of items.entries()) {
    const text = jsonText(items, index, item, true);
    const earlier = seen.get(text);
    if (earlier !== undefined)
      return `must NOT have duplicate items (items ## ${earlier} and ${index} are identical)`;
    seen.set(text, index);
  }
  return undefined;
}
