import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied } from "../../redis/errors.ts";
import { explain } from "../groups/missing.ts";
import type { IdRange } from "../position.ts";
import { entriesById } from "../read/by-id.ts";
import { SILENT } from "../read/pipelines.ts";
import { readRange } from "../read/range.ts";
import { fitting } from "../fitting.ts";
import { type LetterFilter, letterTest } from "./filter.ts";
import { decodeLetter } from "./layout.ts";
import type { DeadLetter, LayoutChoice } from "./letter.ts";

export interface LetterRequest extends LetterFilter {
  /** The dead-letter queue. */
  readonly key: StreamKey;
  /** Where in the queue. */
  readonly range: IdRange;
  readonly layout?: LayoutChoice | undefined;
  readonly oldestFirst: boolean;
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
  /** Hears how many records were looked at. */
  readonly onProgress?: ((seen: number) => void) | undefined;
}

/**
 * The dead letters that the filter lets through, page by page; no page is empty. A queue that does not
 * exist has none.
 */
export async function* letterPages(
  connection: Connection,
  request: LetterRequest,
): AsyncGenerator<DeadLetter[]> {
  const { key, range, oldestFirst, layout, signal } = request;
  const filter = letterTest(request);
  const nameOf = ({ id }: DeadLetter): string => `${key} ${id}`;
  let left = request.limit ?? Number.POSITIVE_INFINITY;
  let seen = 0;
  const pages = readRange(
    connection,
    { stream: key, range, reverse: !oldestFirst },
    { signal, link: SILENT },
  );
  try {
    for await (const [batch] of pages) {
      const entries = batch?.entries ?? [];
      seen += entries.length;
      request.onProgress?.(seen);
      const all = entries.map((entry) => decodeLetter(entry, layout));
      const letters = (await fitting(all, filter, { signal, nameOf })).slice(0, left);
      left -= letters.length;
      if (letters.length > 0) yield letters;
      if (left === 0) return;
    }
  } catch (error) {
    if (!oldestFirst && isDenied(error))
      throw new ServerError(error.kind, error.code, error.reply, error.message, {
        hint: "`--oldest` goes without XREVRANGE",
      });
    throw await explain(connection, key, undefined, error);
  }
}

/** The same letters one by one. */
export async function* deadLetters(
  connection: Connection,
  request: LetterRequest,
): AsyncGenerator<DeadLetter> {
  for await (const page of letterPages(connection, request)) yield* page;
}

/**
 * The letters with these IDs, page by page, in the order given. `onMissing` hears of IDs that are not in
 * the queue.
 */
export async function* namedLetters(
  connection: Connection,
  key: StreamKey,
  ids: readonly EntryId[],
  options: {
    readonly layout?: LayoutChoice | undefined;
    readonly onMissing: (id: EntryId) => void;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<DeadLetter[]> {
  let at = 0;
  try {
    for await (const entries of entriesById(connection, key, [ids], options.signal)) {
      const letters: DeadLetter[] = [];
      for (const entry of entries) {
        const id = ids[at++] as EntryId;
        if (entry) letters.push(decodeLetter(entry, options.layout));
        else options.onMissing(id);
      }
      if (letters.length > 0) yield letters;
    }
  } catch (error) {
    throw await explain(connection, key, undefined, error);
  }
}
