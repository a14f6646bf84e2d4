import { StringDecoder } from "node:string_decoder";
import type { OutStream } from "../io.ts";
import type { Format } from "./output.ts";
import { jsonEscape, safeText } from "./safe-text.ts";

/**
 * How large a terminal is. One that does not say, or says nonsense (0 where it was made by script, by
 * docker -t or by ssh from cron), counts as 80 × 24.
 */
export function terminalSize({ columns, rows }: OutStream): { columns: number; rows: number } {
  return { columns: isSize(columns) ? columns : 80, rows: isSize(rows) ? rows : 24 };
}

function isSize(value: number | undefined): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

/**
 * Makes data harmless for a terminal, in formats that are printed as they are elsewhere: control characters
 * are shown as escapes, in JSON as JSON's own. Lines and tabs stay.
 */
export class TerminalFilter {
  readonly #format: Format;
  /** A character may be cut between two pieces. */
  readonly #decoder = new StringDecoder("utf8");

  constructor(format: Format) {
    this.#format = format;
  }

  pass(bytes: Buffer | string): string {
    const text = typeof bytes === "string" ? bytes : this.#decoder.write(bytes);
    const escape = this.#format === "json" || this.#format === "ndjson" ? jsonEscape : safeText;
    return text.replace(/[^\n\t]+/g, escape);
  }
}
