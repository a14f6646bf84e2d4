import { compareIds, nextId, previousId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import { PageSize, rangePage } from "../../redis/streams/range.ts";
import { onStream } from "../groups/missing.ts";
import type { IdRange } from "../position.ts";
import { type LetterFilter, letterTest } from "./filter.ts";
import { type DeadLetter, decodeRecord } from "./record.ts";

export interface LetterRequest extends LetterFilter {
  /** The dead-letter queue. */
  readonly key: string;
  /** Where in the queue; its IDs are the times of the failures. */
  readonly range: IdRange;
  readonly oldestFirst: boolean;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many records were looked at. */
  readonly onProgress?: (seen: number) => void;
}

/** The dead letters that the filter lets through, page by page. A queue that does not exist has none. */
export async function* deadLetters(
  connection: Connection,
  request: LetterRequest,
): AsyncGenerator<DeadLetter> {
  const { key, oldestFirst, signal, limit = Number.POSITIVE_INFINITY } = request;
  const fits = letterTest(request);
  const size = new PageSize();
  let { from, to }: { from: string; to: string } = request.range;
  let left = limit;
  let seen = 0;
  while (left > 0 && !signal.aborted && compareIds(from, to) <= 0) {
    const { count } = size;
    const window = { from, to, count, reverse: !oldestFirst };
    const page = await onStream(connection, key, undefined, () => rangePage(connection, key, window));
    size.saw(page);
    seen += page.length;
    request.onProgress?.(seen);
    for (const entry of page) {
      const letter = decodeRecord(entry);
      if (!fits(letter)) continue;
      yield letter;
      if (--left === 0) return;
    }
    const last = page.at(-1);
    const beyond = last && (oldestFirst ? nextId(last.id) : previousId(last.id));
    if (page.length < count || beyond === undefined) return;
    if (oldestFirst) from = beyond;
    else to = beyond;
  }
}
