import { nextId } from "../../entry/id.ts";
import type { Caller } from "../../redis/streams/ask.ts";
import { type StreamInfo, streamInfo } from "../../redis/streams/info.ts";
import { PageSize, rangePage } from "../../redis/streams/range.ts";

/** An exact count, or one that the truth is not below. */
export interface Count {
  readonly count: number;
  readonly exact: boolean;
}

export interface CountRequest {
  /** The group's position. */
  readonly lastDeliveredId: string;
  /** The stream as it was found, with entries before and after the position. */
  readonly found: StreamInfo;
  /** After so many entries ahead of the position the counting stops. */
  readonly limit: number;
}

/**
 * Counts the entries after a group's position by reading them, and at the same time those up to it from
 * the other end: whichever side is shorter decides.
 */
export async function countUndelivered(
  connection: Caller,
  stream: string,
  request: CountRequest,
  signal: AbortSignal,
): Promise<Count> {
  const { lastDeliveredId, found, limit } = request;
  const ahead = new RangeCounter(connection, stream, nextId(lastDeliveredId), found.lastId);
  const behind = new RangeCounter(connection, stream, found.firstId, lastDeliveredId);
  let compared = false;
  while (!signal.aborted) {
    await Promise.all([ahead.step(), behind.step()]);
    if (ahead.done) return { count: ahead.count, exact: true };
    if (behind.done && !compared) {
      compared = true;
      const now = await streamInfo(connection, stream);
      // An entry removed meanwhile may or may not have been counted; then the other side has to decide.
      const untouched = now.firstId === found.firstId && now.maxDeletedId === found.maxDeletedId;
      if (untouched) return { count: now.length - behind.count, exact: true };
    }
    if (ahead.count >= limit) break;
  }
  return { count: ahead.count, exact: false };
}

/** Counts the entries after one ID and up to another, no further than about `limit`. */
export async function countBetween(
  connection: Caller,
  stream: string,
  range: { readonly after: string; readonly upTo: string; readonly limit: number },
  signal: AbortSignal,
): Promise<Count> {
  const counter = new RangeCounter(connection, stream, nextId(range.after), range.upTo);
  while (!counter.done && counter.count < range.limit && !signal.aborted) await counter.step();
  return { count: counter.count, exact: counter.done };
}

/** Counts the entries of an ID range page by page. */
class RangeCounter {
  readonly #connection: Caller;
  readonly #stream: string;
  readonly #to: string;
  readonly #pages = new PageSize();
  #from: string | undefined;
  #count = 0;

  constructor(connection: Caller, stream: string, from: string | undefined, to: string = "+") {
    this.#connection = connection;
    this.#stream = stream;
    this.#from = from;
    this.#to = to;
  }

  get count(): number {
    return this.#count;
  }

  get done(): boolean {
    return this.#from === undefined;
  }

  async step(): Promise<void> {
    if (this.#from === undefined) return;
    const { count } = this.#pages;
    const page = await rangePage(this.#connection, this.#stream, { from: this.#from, to: this.#to, count });
    this.#pages.saw(page);
    this.#count += page.length;
    const last = page.at(-1);
    this.#from = page.length < count || !last ? undefined : nextId(last.id);
  }
}
