import { isUtf8 } from "node:buffer";
import type { Entry } from "../entry/entry.ts";
import { JsonPathReader, type JsonValue, parsePath, type PathStep, unquoted } from "../entry/json-path.ts";
import { errorText } from "../errors.ts";
import type { Filter } from "./fitting.ts";
import { comparison, isSameNumber } from "./quantity.ts";

/**
 * One `--where`: what is compared, and with what. A field name that repeats, and a path that leads to several values,
 * are looked at in all their places: `!=` and `!~` hold when no value fits (so also when there is none), all else
 * when any does.
 */
export interface Condition {
  readonly places: readonly Place[];
  readonly negated: boolean;
  readonly test: ValueTest;
  /** Regular expressions may take for ever. */
  readonly mayRunAway: boolean;
}

type ValueTest = (value: JsonValue | Buffer) => boolean;

/** A field, and the way into the JSON that it holds; no steps: the field's own value. */
interface Place {
  readonly field: Buffer;
  readonly path: readonly PathStep[];
}

export type EntryFilter = Filter<Pick<Entry, "fields">>;

const OPERATOR = /!=|!~|<=|>=|=|~|<|>/y;
const QUOTED = /\["(?:[^"\\]|\\.)*"\]/y;

/**
 * Reads `name OPERATOR operand`, or a name alone: it exists. The first operator counts, so the operand may hold any
 * character; `["name"]` is for names that have one. Returns the reason as text when it is none of these.
 */
export function parseCondition(text: string): Condition | string {
  if (text === "") return "give field=value, field~regex, field<number or the like, or a field's name";
  const at = operatorAt(text);
  if (at === undefined)
    return { places: placesOf(text), negated: false, test: () => true, mayRunAway: false };
  const places = placesOf(text.slice(0, at.index));
  const operand = text.slice(at.index + at.operator.length);
  const negated = at.operator.startsWith("!");
  switch (at.operator) {
    case "=":
    case "!=":
      return { places, negated, test: equalTo(operand), mayRunAway: false };
    case "~":
    case "!~": {
      const pattern = parsePattern(operand);
      if (typeof pattern === "string") return pattern;
      return {
        places,
        negated,
        test: (value) => pattern.test(asSearchable(bytesOf(value))),
        mayRunAway: true,
      };
    }
    default: {
      const compare = comparison(at.operator, operand);
      if (compare === undefined)
        return `${at.operator} compares with a number or a time like 2026-03-01T12:00:00Z`;
      return { places, negated, test: (value) => compare(bytesOf(value)), mayRunAway: false };
    }
  }
}

function operatorAt(text: string): { readonly index: number; readonly operator: string } | undefined {
  for (let index = 0; index < text.length; index++) {
    QUOTED.lastIndex = index;
    if (QUOTED.test(text)) {
      index = QUOTED.lastIndex - 1;
      continue;
    }
    OPERATOR.lastIndex = index;
    const operator = OPERATOR.exec(text)?.[0];
    if (operator !== undefined) return { index, operator };
  }
  return undefined;
}

/** What a name can mean, the longest field's name first: a field whose own name has dots wins over a path. */
function placesOf(name: string): Place[] {
  QUOTED.lastIndex = 0;
  const quoted = QUOTED.exec(name)?.[0];
  const field = quoted === undefined ? undefined : unquoted(quoted.slice(1, -1));
  if (quoted !== undefined && field !== undefined) {
    const path = parsePath(name.slice(quoted.length));
    if (path) return [{ field: Buffer.from(field), path }];
  }
  const places: Place[] = [{ field: Buffer.from(name), path: [] }];
  for (let at = name.length - 1; at >= 0; at--) {
    const path = name[at] === "." || name[at] === "[" ? parsePath(name.slice(at)) : undefined;
    if (path) places.push({ field: Buffer.from(name.slice(0, at)), path });
  }
  return places;
}

/** Byte for byte; a JSON number also where the same number is written in another way. */
function equalTo(operand: string): ValueTest {
  const bytes = Buffer.from(operand);
  return (value) =>
    Buffer.isBuffer(value)
      ? value.equals(bytes)
      : value.bytes.equals(bytes) || (value.kind === "number" && isSameNumber(value.bytes, operand));
}

function bytesOf(value: JsonValue | Buffer): Buffer {
  return Buffer.isBuffer(value) ? value : value.bytes;
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
    mayRunAway: conditions.some(({ mayRunAway }) => mayRunAway),
  };
}

function holds(condition: Condition, { fields }: Pick<Entry, "fields">): boolean {
  for (const { field, path } of condition.places) {
    let isThere = false;
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i] as Buffer;
      if (name.length !== field.length || !name.equals(field)) continue;
      isThere = true;
      if (anyFits(fields[i + 1] as Buffer, path, condition.test)) return !condition.negated;
    }
    if (isThere) break;
  }
  return condition.negated;
}

const READER = new JsonPathReader();

function anyFits(value: Buffer, path: readonly PathStep[], test: ValueTest): boolean {
  return path.length === 0 ? test(value) : READER.values(value, path).some(test);
}

/** Text as it is; of binary values each byte becomes the character of that number, so `\xff` finds 0xff. */
function asSearchable(value: Buffer): string {
  return isUtf8(value) ? value.toString("utf8") : value.toString("latin1");
}
