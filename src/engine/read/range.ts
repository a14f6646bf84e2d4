import type { Entry } from "../../entry/entry.ts";
import { nextId, previousId } from "../../entry/id.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { ReplyError, type Reply } from "../../redis/resp.ts";
import { decodeEntries } from "../../redis/ops/entry.ts";
import { encodeRange, PageSize } from "../../redis/ops/range.ts";
import { fitting } from "../fitting.ts";
import type { IdRange } from "../position.ts";
import type { EntryFilter } from "../where.ts";
import { boundReply, type LinkListener, onPipelines } from "./pipelines.ts";
import type { Page } from "./reader.ts";

export interface RangeRequest {
  readonly stream: string;
  readonly range: IdRange;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
  /** At most that many entries, of those that pass the filter. */
  readonly count?: number | undefined;
  readonly filter?: EntryFilter | undefined;
}

/**
 * Reads a range of one stream, page by page; the next page is on its way while one is being printed. A
 * lost connection is made again and the range goes on after the last page, within connectTimeoutMs. Ends
 * early when the signal aborts.
 */
export function readRange(
  connection: Connection,
  request: RangeRequest,
  options: { readonly signal: AbortSignal; readonly link: LinkListener },
): AsyncGenerator<Page> {
  const reader = new RangeReader(request, options.signal);
  const budgetMs = connection.settings.connectTimeoutMs;
  const askForLess = (): void => reader.askForLess();
  return onPipelines(
    connection,
    new Map([[0, request.stream]]),
    { ...options, budgetMs, askForLess },
    (pipelines, alive) => reader.pages(pipelines.get(0) as Pipeline, alive),
  );
}

class RangeReader {
  readonly #request: RangeRequest;
  readonly #signal: AbortSignal;
  readonly #size = new PageSize();
  #remaining: number;
  /** Where the next page starts; undefined when the range has been read to its end. */
  #cursor: string | undefined;

  constructor(request: RangeRequest, signal: AbortSignal) {
    this.#request = request;
    this.#signal = signal;
    this.#remaining = request.count ?? Infinity;
    this.#cursor = request.reverse ? request.range.to : request.range.from;
  }

  async *pages(pipeline: Pipeline, alive: () => void): AsyncGenerator<Page> {
    let next = this.#ask(pipeline);
    while (next) {
      const reply = await next;
      alive();
      const page = await this.#take(reply);
      // An entry that is a page by itself is large: the next one comes when it has been dealt with.
      const ahead = this.#size.count > 1;
      if (ahead) next = this.#ask(pipeline);
      if (page.length > 0) yield page;
      if (!ahead) next = this.#ask(pipeline);
    }
  }

  askForLess(): void {
    this.#size.tooLarge();
  }

  /** Sends the read for the next page; undefined when none is wanted. */
  #ask(pipeline: Pipeline): Promise<Reply> | undefined {
    const { stream, range, reverse, filter } = this.#request;
    const from = this.#cursor;
    if (from === undefined || this.#remaining <= 0 || this.#signal.aborted) return undefined;
    const count = filter ? this.#size.count : Math.min(this.#size.count, this.#remaining);
    boundReply(pipeline, count);
    const ends = reverse ? { from: range.from, to: from } : { from, to: range.to };
    const reply = pipeline.request(encodeRange(stream, { ...ends, count, reverse }));
    // Printing may still be going on when the connection is lost; whoever awaits the reply hears of it.
    reply.catch(() => {});
    return reply;
  }

  /** Moves the cursor behind the reply and gives what is to be printed of it. */
  async #take(reply: Reply): Promise<Page> {
    const { stream, reverse, filter } = this.#request;
    if (reply instanceof ReplyError)
      throw translateReply(reply.text, { command: reverse ? "XREVRANGE" : "XRANGE", key: stream });
    const decoded = decodeEntries(reply);
    this.#cursor = decoded && (reverse ? previousId(decoded.lastId) : nextId(decoded.lastId));
    if (!decoded) return [];
    this.#size.saw(decoded.entries);
    const nameOf = ({ id }: Entry): string => `${stream} ${id}`;
    const wanted = filter
      ? await fitting(decoded.entries, filter, { signal: this.#signal, nameOf })
      : decoded.entries;
    const entries = wanted.length > this.#remaining ? wanted.slice(0, this.#remaining) : wanted;
    this.#remaining -= entries.length;
    return entries.length === 0 ? [] : [{ stream, entries }];
  }
}
