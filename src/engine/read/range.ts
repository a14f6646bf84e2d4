import type { Entry } from "../../entry/entry.ts";
import { nextId, previousId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { ReplyError } from "../../redis/resp.ts";
import { decodeEntries } from "../../redis/ops/entry.ts";
import { encodeRange, PageSize } from "../../redis/ops/range.ts";
import { fitting } from "../fitting.ts";
import type { IdRange } from "../position.ts";
import type { EntryFilter } from "../where.ts";
import { boundReply, type LinkListener, onPipelines } from "./pipelines.ts";
import { type Answer, PagesAhead, type Part } from "./pages-ahead.ts";
import type { Page } from "./reader.ts";

export interface RangeRequest {
  readonly stream: StreamKey;
  readonly range: IdRange;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
  /** At most that many entries, of those that pass the filter. */
  readonly count?: number | undefined;
  readonly filter?: EntryFilter | undefined;
}

/**
 * Reads a range of one stream, page by page; the next page is on its way while one is being printed, and where a
 * round trip takes long, several. A lost connection is made again and the range goes on after the last page, within connectTimeoutMs. Ends
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

/** Of small entries; each page that is under way may be in memory before it is printed. */
const MOST_AHEAD = 8;

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
    const { range, reverse, filter } = this.#request;
    const from = this.#cursor;
    if (from === undefined) return;
    const ahead = new PagesAhead({
      from,
      to: reverse ? range.from : range.to,
      reverse,
      count: () => this.#size.count,
      wanted: filter ? undefined : this.#remaining,
      most: MOST_AHEAD,
      ahead: () => this.#size.ahead,
      ask: (part) => this.#ask(pipeline, part, alive),
    });
    while (this.#remaining > 0 && !this.#signal.aborted) {
      const answer = await ahead.next();
      if (!answer) return;
      this.#cursor = (reverse ? previousId : nextId)(answer.lastId);
      const page = await this.#wanted(answer.page);
      if (page.length > 0) yield page;
    }
  }

  askForLess(): void {
    this.#size.tooLarge();
  }

  async #ask(
    pipeline: Pipeline,
    { from, to, count, underWay }: Part,
    alive: () => void,
  ): Promise<Answer<Entry[]> | undefined> {
    const { stream, reverse } = this.#request;
    boundReply(pipeline, count, underWay);
    const ends = reverse ? { from: to, to: from } : { from, to };
    const reply = await pipeline.request(encodeRange(stream, { ...ends, count, reverse }));
    alive();
    if (reply instanceof ReplyError)
      throw translateReply(reply.text, { command: reverse ? "XREVRANGE" : "XRANGE", key: stream });
    const decoded = decodeEntries(reply);
    if (!decoded) return undefined;
    const { entries: page, firstId, lastId } = decoded;
    this.#size.saw(page);
    return { page, rows: page.length + decoded.missing, firstId, lastId };
  }

  /** What is to be printed of what was read. */
  async #wanted(read: readonly Entry[]): Promise<Page> {
    const { stream, filter } = this.#request;
    const nameOf = ({ id }: Entry): string => `${stream} ${id}`;
    const wanted = filter ? await fitting(read, filter, { signal: this.#signal, nameOf }) : read;
    const entries = wanted.length > this.#remaining ? wanted.slice(0, this.#remaining) : wanted;
    this.#remaining -= entries.length;
    return entries.length === 0 ? [] : [{ stream, entries }];
  }
}
