import { isUtf8 } from "node:buffer";
import type { Entry } from "../entry/entry.ts";
import { errorText } from "../errors.ts";
import type { Filter } from "./fitting.ts";

/**
 * One `--where`: a field compared with a value, byte for byte, or with a regular expression. A field name
 * that repeats is looked at in all its places: `=` and `~` hold when any of its values fits, `!=` and `!~`
 * when none does (so also when the entry has no such field).
 */
export type Condition =
  | { readonly field: Buffer; readonly operator: "=" | "!="; readonly value: Buffer }
  | { readonly field: Buffer; readonly operator: "~" | "!~"; readonly pattern: RegExp };

export type EntryFilter = Filter<Pick<Entry, "fields">>;

/**
 * Reads `field=value`, `field!=value`, `field~regex` or `field!~regex`; the first operator counts, so the
 * value may hold any character. Returns the reason as text when it is none of these.
 */
export function parseCondition(text: string): Condition | string {
  const match = /^(.*?)(!=|!~|=|~)(.*)$/s.exec(text);
  if (!match) return "give field=value, field!=value, field~regex or field!~regex";
  const [, name = "", operator = "", operand = ""] = match;
  const field = Buffer.from(name);
  if (operator === "=" || operator === "!=") return { field, operator, value: Buffer.from(operand) };
  const pattern = parsePattern(operand);
  return typeof pattern === "string" ? pattern : { field, operator: operator === "~" ? "~" : "!~", pattern };
}

/** Reads a regular expression; `(?i)` at its start makes it ignore case. Returns the reason as text when it is none. */
export function parsePattern(text: string): RegExp | string {
  const ignoreCase = text.startsWith("(?i)");
  try {
    return new RegExp(ignoreCase ? text.slice(4) : text, ignoreCase ? "isu" : "su");
  } catch (error) {
    return errorText(error);
  }
}

/** True for entries that fit all the conditions. */
export function entryFilter(conditions: readonly Condition[]): EntryFilter {
  return {
    fits: (entry) => conditions.every((condition) => holds(condition, entry)),
    mayRunAway: conditions.some((condition) => "pattern" in condition),
  };
}

function holds(condition: Condition, entry: Pick<Entry, "fields">): boolean {
  const negated = condition.operator === "!=" || condition.operator === "!~";
  return anyValueFits(condition, entry) !== negated;
}

function anyValueFits(condition: Condition, { fields }: Pick<Entry, "fields">): boolean {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (!(fields[i] as Buffer).equals(condition.field)) continue;
    const value = fields[i + 1] as Buffer;
    if ("value" in condition ? value.equals(condition.value) : condition.pattern.test(asSearchable(value)))
      return true;
  }
  return false;
}

/** Text as it is; of binary values each byte becomes the character of that number, so `\xff` finds 0xff. */
function asSearchable(value: Buffer): string {
  return isUtf8(value) ? value.toString("utf8") : value.toString("latin1");
}
