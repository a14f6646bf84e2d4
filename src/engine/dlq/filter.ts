import { idMs } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Filter } from "../fitting.ts";
import { type Condition, entryFilter, parsePattern } from "../where.ts";
import type { DeadLetter } from "./letter.ts";

/** Which dead letters; the same choice in every command that takes them by filters. */
export interface LetterFilter {
  /** Of a queue that several streams share: only what this one lost. Letters that don't say are let through. */
  readonly stream?: StreamKey | undefined;
  /** About the reason, or the last line of stderr. */
  readonly reason?: ReasonTest | undefined;
  readonly group?: GroupName | undefined;
  readonly minDeliveries?: number | undefined;
  /** About the original's fields. */
  readonly where?: readonly Condition[] | undefined;
  /** When the entry failed, both ends included, in ms since 1970. */
  readonly failedFromMs?: number | undefined;
  readonly failedToMs?: number | undefined;
}

/** What the whole text must be, or a pattern that is searched in it. */
export type ReasonTest = string | RegExp;

/** Reads `--reason`: a text, or `~regex` (`~(?i)regex` ignores case). Undefined and why when that is none. */
export function parseReason(text: string): { readonly test: ReasonTest } | string {
  const test = text.startsWith("~") ? parsePattern(text.slice(1)) : undefined;
  return typeof test === "string" ? test : { test: test ?? text };
}

/** One test for all that the filter asks. What a letter does not say fits no test but that of the stream. */
export function letterTest(filter: LetterFilter): Filter<DeadLetter> {
  const { stream, reason, group, minDeliveries, failedFromMs, failedToMs } = filter;
  const fields = entryFilter(filter.where ?? []);
  const anyTime = failedFromMs === undefined && failedToMs === undefined;
  return {
    fits: (letter) =>
      (stream === undefined || letter.stream === null || letter.stream === stream) &&
      (anyTime || isWithin(failureMs(letter), failedFromMs, failedToMs)) &&
      (group === undefined || letter.group === group) &&
      (minDeliveries === undefined || (letter.deliveries ?? 0) >= minDeliveries) &&
      (reason === undefined ||
        isReason(reason, letter.reason) ||
        isReason(reason, lastLine(letter.stderr))) &&
      fields.fits(letter),
    mayRunAway: fields.mayRunAway || reason instanceof RegExp,
  };
}

function isReason(test: ReasonTest, text: string | null): boolean {
  return text !== null && (typeof test === "string" ? text === test : test.test(text));
}

function isWithin(ms: number, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY): boolean {
  return from <= ms && ms <= to;
}

/** When the entry failed; of letters that don't say, when they were put into the queue. */
export function failureMs({ failedAt, id }: Pick<DeadLetter, "failedAt" | "id">): number {
  return failedAt?.getTime() ?? idMs(id);
}

/** The last line of a stderr that has something in it; null when there is none. */
export function lastLine(stderr: Buffer | null): string | null {
  const text = stderr?.toString("utf8").trimEnd() ?? "";
  return text === "" ? null : text.slice(text.lastIndexOf("\n") + 1);
}
