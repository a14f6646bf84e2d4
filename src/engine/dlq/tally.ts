import { isUtf8 } from "node:buffer";
import { dateOf } from "../../lib/calendar.ts";
import { failureMs, lastLine } from "./filter.ts";
import type { DeadLetter } from "./letter.ts";

/** What letters are counted by besides the fields of their originals. */
export const TALLY_KEYS = ["reason", "group", "consumer", "hour", "stderr"] as const;

/**
 * How many dead letters share a reason, group, consumer, hour (its start, UTC), last line of stderr, or value of a
 * field, and when they failed.
 */
export interface Tally {
  /** Null: the letters do not say. */
  readonly key: string | Buffer | null;
  readonly count: number;
  readonly oldest: Date | null;
  readonly newest: Date | null;
}

/** More different keys than this are counted together. */
const KEYS = 10_000;
const OTHERS = "(others)";

/** Longer values than this are told apart by their beginnings. */
const KEY_BYTES = 1_024;

/**
 * Counts dead letters by one of TALLY_KEYS or else by a field, the largest number first. Memory is bounded,
 * whatever the letters say.
 */
export async function tally(letters: AsyncIterable<DeadLetter>, by: string): Promise<Tally[]> {
  const tallies = new Map<string | null, { -readonly [Key in keyof Tally]: Tally[Key] }>();
  for await (const letter of letters) {
    const time = dateOf(failureMs(letter));
    const own = keyOf(letter, by, time);
    // As text of one character a byte, so that any bytes are told apart.
    const name = own === null ? null : own.toString("latin1");
    const known = tallies.has(name) || tallies.size < KEYS;
    const found = tallies.get(known ? name : OTHERS);
    if (!found) {
      const key = !known ? OTHERS : own === null ? null : isUtf8(own) ? own.toString("utf8") : own;
      tallies.set(known ? name : OTHERS, { key, count: 1, oldest: time, newest: time });
      continue;
    }
    found.count++;
    if (time && (!found.oldest || time < found.oldest)) found.oldest = time;
    if (time && (!found.newest || time > found.newest)) found.newest = time;
  }
  return [...tallies.entries()]
    .sort(([a, one], [b, other]) => other.count - one.count || ((a ?? "") < (b ?? "") ? -1 : 1))
    .map(([, row]) => row);
}

function keyOf(letter: DeadLetter, by: string, failed: Date | null): Buffer | null {
  const text = (value: string | null): Buffer | null => (value === null ? null : Buffer.from(value));
  switch (by) {
    case "reason":
    case "group":
    case "consumer":
      return text(letter[by]);
    case "hour":
      return text(hourOf(failed));
    case "stderr":
      return text(lastLine(letter.stderr));
    default: {
      const name = Buffer.from(by);
      const { fields } = letter;
      for (let i = 0; i + 1 < fields.length; i += 2)
        if (name.equals(fields[i] as Buffer))
          return Buffer.from((fields[i + 1] as Buffer).subarray(0, KEY_BYTES));
      return null;
    }
  }
}

function hourOf(at: Date | null): string | null {
  return at === null ? null : `${at.toISOString().slice(0, 13)}:00:00Z`;
}
