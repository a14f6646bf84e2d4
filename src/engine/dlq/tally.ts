import { idMs } from "../../entry/id.ts";
import type { DeadLetter } from "./letter.ts";

export const TALLY_KEYS = ["reason", "group", "consumer", "hour"] as const;
export type TallyKey = (typeof TALLY_KEYS)[number];

/** How many dead letters share a reason, group, consumer or hour (its start, UTC), and when they failed. */
export interface Tally {
  /** Null: the letters do not say. */
  readonly key: string | null;
  readonly count: number;
  readonly oldest: Date | null;
  readonly newest: Date | null;
}

/** More different keys than this are counted together. */
const KEYS = 10_000;
const OTHERS = "(others)";

/** Counts dead letters, the largest number first. Memory is bounded, whatever the letters say. */
export async function tally(letters: AsyncIterable<DeadLetter>, by: TallyKey): Promise<Tally[]> {
  const tallies = new Map<string | null, { -readonly [Key in keyof Tally]: Tally[Key] }>();
  for await (const letter of letters) {
    const at = failureTime(letter);
    const own = by === "hour" ? hourOf(at) : letter[by];
    const key = tallies.has(own) || tallies.size < KEYS ? own : OTHERS;
    const found = tallies.get(key);
    if (!found) {
      tallies.set(key, { key, count: 1, oldest: at, newest: at });
      continue;
    }
    found.count++;
    if (at && (!found.oldest || at < found.oldest)) found.oldest = at;
    if (at && (!found.newest || at > found.newest)) found.newest = at;
  }
  return [...tallies.values()].sort((a, b) => b.count - a.count || ((a.key ?? "") < (b.key ?? "") ? -1 : 1));
}

/** When the entry failed; of letters that don't say, when they were put into the queue. */
function failureTime({ failedAt, id }: DeadLetter): Date | null {
  const at = failedAt ?? new Date(idMs(id));
  return Number.isNaN(at.getTime()) ? null : at;
}

function hourOf(at: Date | null): string | null {
  return at === null ? null : `${at.toISOString().slice(0, 13)}:00:00Z`;
}
