import { errorText } from "../../errors.ts";
import { type Condition, entryFilter } from "../where.ts";
import type { DeadLetter } from "./letter.ts";

/** Which dead letters; the same choice in every command that takes them by filters. */
export interface LetterFilter {
  /** Of a queue that several streams share: only what this one lost. Letters that don't say are let through. */
  readonly stream?: string | undefined;
  readonly reason?: ReasonTest | undefined;
  readonly group?: string | undefined;
  readonly minDeliveries?: number | undefined;
  /** About the original's fields. */
  readonly where?: readonly Condition[] | undefined;
}

export type ReasonTest = (reason: string) => boolean;

/**
 * Reads `--reason`: text that the reason contains, or `~regex` (`~(?i)regex` ignores case). Gives what is
 * wrong with it as text.
 */
export function parseReason(text: string): ReasonTest | string {
  if (!text.startsWith("~")) return (reason) => reason.includes(text);
  const ignoreCase = text.startsWith("~(?i)");
  try {
    const pattern = new RegExp(text.slice(ignoreCase ? 5 : 1), ignoreCase ? "isu" : "su");
    return (reason) => pattern.test(reason);
  } catch (error) {
    return errorText(error);
  }
}

/** One test for all that the filter asks. What a letter does not say fits no test but that of the stream. */
export function letterTest(filter: LetterFilter): (letter: DeadLetter) => boolean {
  const { stream, reason, group, minDeliveries } = filter;
  const fieldsFit = entryFilter(filter.where ?? []);
  return (letter) =>
    (stream === undefined || letter.stream === null || letter.stream === stream) &&
    (reason === undefined || (letter.reason !== null && reason(letter.reason))) &&
    (group === undefined || letter.group === group) &&
    (minDeliveries === undefined || (letter.deliveries ?? 0) >= minDeliveries) &&
    fieldsFit(letter);
}
