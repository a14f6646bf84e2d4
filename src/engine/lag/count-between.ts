import { type EntryId, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { PageSize, rangePage } from "../../redis/ops/range.ts";

/** An exact count, or one that the truth is not below. */
export interface Count {
  readonly count: number;
  readonly exact: boolean;
}

/** Counts the entries after one ID and up to another, no further than about `limit`. */
export async function countBetween(
  connection: Caller,
  stream: StreamKey,
  range: { readonly after: string; readonly upTo: string; readonly limit: number },
  signal: AbortSignal,
): Promise<Count> {
  const counter = new RangeCounter(stream, nextId(range.after), range.upTo);
  while (!counter.done && counter.count < range.limit && !signal.aborted) await counter.step(connection);
  return { count: counter.count, exact: counter.done };
}

/** Counts the entries from one ID to another, page by page, by reading them. */
export class RangeCounter {
  readonly #stream: StreamKey;
  readonly #to: string;
  readonly #pages = new PageSize();
  #from: string | undefined;
  /** The first entry; undefined as long as there is none. */
  firstId: EntryId | undefined;
  count = 0;

  constructor(stream: StreamKey, from: string | undefined, to: string) {
    this.#stream = stream;
    this.#from = from;
    this.#to = to;
  }

  get done(): boolean {
    return this.#from === undefined;
  }

  async step(connection: Caller): Promise<void> {
    if (this.#from === undefined) return;
    const { count } = this.#pages;
    const page = await rangePage(connection, this.#stream, { from: this.#from, to: this.#to, count });
    this.#pages.saw(page);
    this.count += page.length;
    this.firstId ??= page[0]?.id;
    const last = page.at(-1);
    this.#from = page.length < count || !last ? undefined : nextId(last.id);
  }
}
