import type { Options } from "ajv";
import { timeLimit, type Within } from "../../lib/time-limit.ts";

/** Nothing is known of the text then. */
export class PatternRunsAway extends Error {
  override readonly name = "PatternRunsAway";
}

type Engine = NonNullable<NonNullable<Options["code"]>["regExp"]>;

/** A limit costs a tenth of a millisecond, and on a short text no expression takes long that repeats no repetition. */
const SHORT = 1_000;
/** So long one text may take. */
const TEXT_MS = 1_000;

/** What repeats a group in which something repeats, or may be the one or the other, as far as a look can tell. */
const REPEATS_WHAT_REPEATS = /[*+?}|][^()]*\)+[*+{]/;

/**
 * A schema's patterns, of which one that runs away on some text ends with an error: nothing else stops Node's engine of
 * expressions, and no signal would be heard.
 */
export async function limitedPatterns(): Promise<Engine> {
  const within = await timeLimit();
  const engine = (pattern: string, flags: string): { test: (text: string) => boolean } =>
    limited(new RegExp(pattern, flags), within);
  return Object.assign(engine, { code: "new RegExp" });
}

function limited(expression: RegExp, within: Within): { test: (text: string) => boolean } {
  const risky = REPEATS_WHAT_REPEATS.test(expression.source);
  const engine = {
    test(text: string): boolean {
      if (!risky && text.length <= SHORT) return expression.test(text);
      const fits = within(TEXT_MS, () => expression.test(text));
      if (fits !== undefined) return fits;
      throw new PatternRunsAway(`the schema's pattern ${expression.source} runs away on it`);
    },
  };
  // Ajv tells patterns apart by this.
  return Object.assign(engine, { toString: () => String(expression) });
}
