import { compareDecimals } from "../lib/decimal.ts";
import { parseIsoTime } from "../lib/iso-time.ts";

/** Longer texts are no numbers: they cost more than they could mean. */
const LONGEST_NUMBER = 1_000;
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** A JavaScript number holds these exactly. */
const SMALL = /^-?\d{1,15}$/;

const HOLDS: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/**
 * A test of values against a number or a time (ISO 8601), both exactly: 64-bit integers, decimals, nanoseconds. A
 * value that is not of the operand's kind does not fit. Undefined when the operand is neither.
 */
export function comparison(operator: string, operand: string): ((value: Buffer) => boolean) | undefined {
  const fits = HOLDS[operator] as (order: number) => boolean;
  if (isNumber(operand)) {
    return (value) => {
      const text = numberText(value);
      return text !== undefined && fits(compareNumbers(text, operand));
    };
  }
  const limit = parseIsoTime(operand);
  if (limit === undefined) return undefined;
  return (value) => {
    const instant = value.length > LONGEST_TIME ? undefined : parseIsoTime(value.toString("latin1"));
    return instant !== undefined && fits(instant < limit ? -1 : instant > limit ? 1 : 0);
  };
}

const LONGEST_TIME = 40;

/** Whether both are numbers, and the same one. */
export function isSameNumber(value: Buffer, operand: string): boolean {
  const text = numberText(value);
  return text !== undefined && isNumber(operand) && compareNumbers(text, operand) === 0;
}

function numberText(value: Buffer): string | undefined {
  if (value.length > LONGEST_NUMBER) return undefined;
  const text = value.toString("latin1");
  return NUMBER.test(text) ? text : undefined;
}

function isNumber(text: string): boolean {
  return text.length <= LONGEST_NUMBER && NUMBER.test(text);
}

function compareNumbers(a: string, b: string): number {
  return SMALL.test(a) && SMALL.test(b) ? Number(a) - Number(b) : compareDecimals(a, b);
}
