import type { ChalkInstance } from "chalk";
import { type JsonPaint, layOutJson } from "./json-layout.ts";
import { shortBytes } from "./safe-text.ts";

/** Of larger values the beginning is shown; other formats print all of it. */
const SHOWN_VALUE = 1024 * 1024;

/** How JSON is coloured, wherever people read it. */
function jsonPaint(style: ChalkInstance): JsonPaint {
  return { name: style.cyan, string: style.green, number: style.yellow, word: style.magenta };
}

/**
 * An entry's fields for people, a line or more for each: names in one column, JSON laid out. Control characters are
 * escaped.
 */
export function fieldLines(fields: readonly Buffer[], style: ChalkInstance, indent: string): string {
  const names = fields.filter((_, at) => at % 2 === 0).map((name) => shortBytes(name, SHOWN_VALUE));
  const width = Math.min(
    WIDEST_NAME,
    names.reduce((most, { length }) => Math.max(most, length), 0),
  );
  const paint = jsonPaint(style);
  let text = "";
  for (const [at, name] of names.entries()) {
    const value = fields[at * 2 + 1] as Buffer;
    const shown = layOutJson(value, paint, indent) ?? shortBytes(value, SHOWN_VALUE);
    text += `${indent}${style.bold(name)}${" ".repeat(Math.max(0, width - name.length))}  ${shown}\n`;
  }
  return text;
}

const WIDEST_NAME = 24;
