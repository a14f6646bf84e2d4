import type { Verdict } from "../engine/worker/types.ts";

/** What logs and metrics call what became of an entry. */
export const VERDICT_WORDS = [
  "ok",
  "retry",
  "snooze",
  "dead",
  "duplicate",
  "unmatched",
  "lost",
  "missing",
  "released",
] as const;

export type VerdictWord = (typeof VERDICT_WORDS)[number];

export function verdictWord({ kind }: Verdict): VerdictWord {
  return WORD_OF[kind];
}

const WORD_OF: Readonly<Record<Verdict["kind"], VerdictWord>> = {
  ack: "ok",
  duplicate: "duplicate",
  unmatched: "unmatched",
  retry: "retry",
  snooze: "snooze",
  dead: "dead",
  release: "released",
  broken: "released",
};
