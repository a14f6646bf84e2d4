import type { Entry } from "../../entry/entry.ts";
import type { StreamKey } from "../../entry/names.ts";
import { encodeCommand } from "../resp.ts";
import { asList, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { decodeEntries } from "./entry.ts";

export interface RangeOptions {
  /** Inclusive ends; `from` is never after `to`, whichever way the range is read. */
  readonly from: string;
  readonly to: string;
  readonly count: number;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
}

/** One page of a stream. A key that does not exist is an empty stream. */
export async function rangePage(
  connection: Caller,
  stream: StreamKey,
  { from, to, count, reverse }: RangeOptions,
): Promise<Entry[]> {
  const reply = await connection.persist(() =>
    reverse
      ? connection.call("XREVRANGE", stream, to, from, "COUNT", count)
      : connection.call("XRANGE", stream, from, to, "COUNT", count),
  );
  return decodeEntries(reply)?.entries ?? [];
}

/** The same for a pipeline, whose reply is for decodeEntries. */
export function encodeRange(stream: StreamKey, { from, to, count, reverse }: RangeOptions): Buffer {
  return encodeCommand(
    reverse ? ["XREVRANGE", stream, to, from, "COUNT", count] : ["XRANGE", stream, from, to, "COUNT", count],
  );
}

/** The newest IDs of a range. */
export async function newestIds(
  caller: Caller,
  stream: StreamKey,
  { from, to, count }: { readonly from: string; readonly to: string; readonly count: number },
): Promise<string[]> {
  const reply = await caller.call("XREVRANGE", stream, to, from, "COUNT", count);
  return asList(reply).map((item) => asText(asList(item)[0]));
}

const FEWEST = 10;
const MOST = 1_000;
/** A page should not hold much more than this. */
const PAGE_BYTES = 2_000_000;
/** Nor should those that are under way together. */
const AHEAD_BYTES = 6_000_000;
/** What a string takes besides its bytes: a dead letter has thirty short ones. */
const STRING_BYTES = 200;

/**
 * How many entries to ask for next: few at first, more while entries are small, so that a page of entries
 * of any size stays small in memory.
 */
export class PageSize {
  #count = FEWEST;
  /** On average, of the page that came last. */
  #entryBytes = 0;

  get count(): number {
    return this.#count;
  }

  /** How many pages may be under way together, as far as their size decides that. */
  get ahead(): number {
    return Math.max(1, Math.floor(AHEAD_BYTES / (this.#count * this.#entryBytes)));
  }

  /** The page that was asked for is too large to be taken, or did not come through. */
  tooLarge(): void {
    this.#count = Math.max(1, Math.floor(this.#count / 10));
  }

  /** Learns from the page that came. */
  saw(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    let [bytes, strings] = [0, 0];
    for (const { fields } of entries) {
      strings += fields.length;
      for (const field of fields) bytes += field.length;
    }
    this.#entryBytes = bytes / entries.length;
    const taken = (bytes + strings * STRING_BYTES) / entries.length;
    const fitting = Math.floor(PAGE_BYTES / Math.max(1, taken));
    this.#count = Math.max(1, Math.min(MOST, this.#count * 4, fitting));
  }
}
