import { idNumber, numberedId } from "../../entry/id.ts";
import { Depth } from "../under-way.ts";

/** What one read of part of a range gave. */
export interface Answer<T> {
  readonly page: T;
  /** How many rows the server gave, at least one. */
  readonly rows: number;
  /** In the order read. */
  readonly firstId: string;
  readonly lastId: string;
}

export interface PagesRequest<T> {
  /** Inclusive ends, the first one where reading starts. */
  readonly from: string;
  readonly to: string;
  /** Newest first: `from` is after `to`. */
  readonly reverse?: boolean | undefined;
  /** How many rows to ask for at a time, as it is now. */
  readonly count: () => number;
  /** How many rows are wanted; the last page may have more. Default: all of them. */
  readonly wanted?: number | undefined;
  /** The most reads that may be under way, or answered and not taken. */
  readonly most: number;
  /** Fewer, where pages are large. */
  readonly ahead?: (() => number) | undefined;
  /** As for Depth. */
  readonly nearMs?: number | undefined;
  /** Reads part of the range, its ends in the order of the range; undefined when nothing is there. */
  readonly ask: (part: Part) => Promise<Answer<T> | undefined>;
}

export interface Part {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  /** How many reads are under way with this one. */
  readonly underWay: number;
}

interface Segment<T> {
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
  /** It goes to the end of the range: where the next one starts is known when it has been answered. */
  readonly open: boolean;
  readonly answer: Promise<Answer<T> | undefined>;
}

/** A segment is as wide as so much of a page took before, so that a page seldom has to be read in two parts. */
const FILLING = 0.9;
/** As many pages back are looked at, and the middle one counts: a gap between two bursts says nothing of the bursts. */
const LOOKED_BACK = 5;
/** A segment with less than this part of a page: how dense the range is, is known no more. */
const SPARSE = 1 / 8;
const LAST = (1n << 128n) - 1n;

/**
 * Reads a range page by page, and far from the server several pages at once. A page starts where the one before
 * it ended, which is not known before that has come; so the range is cut into segments, each of them as wide as
 * a page is likely to take, and read on where one holds more than a page. Nothing rests on the guess but speed:
 * the segments together are the range, whatever is in them. Where IDs are too uneven to guess, one page is asked
 * for at a time, as it is while the server answers sooner than pages are taken.
 */
export class PagesAhead<T> {
  readonly #request: PagesRequest<T>;
  readonly #end: bigint;
  /** Where the next segment starts; undefined while an open one is under way. */
  #next: bigint | undefined;
  #queue: Segment<T>[] = [];
  /** How wide so many rows were, of the last pages; no rows: there was nothing. */
  #widths: (readonly [width: bigint, rows: bigint])[] = [];
  #sparse = false;
  /** How many more rows are wanted, those under way included. */
  #left: number;
  readonly #depth: Depth;

  constructor(request: PagesRequest<T>) {
    this.#request = request;
    this.#depth = new Depth(request.most, request.nearMs);
    this.#next = this.#place(request.from);
    this.#end = this.#place(request.to);
    this.#left = request.wanted ?? Number.POSITIVE_INFINITY;
  }

  /** The next page that has rows; undefined when the range, or what is wanted of it, has been read. */
  async next(): Promise<Answer<T> | undefined> {
    for (;;) {
      this.#send();
      const segment = this.#left > 0 ? this.#queue.shift() : undefined;
      if (!segment) return undefined;
      const answer = await this.#depth.take(segment.answer);
      this.#learn(segment, answer);
      // What is large enough to be a page of its own is in memory once: the next comes when it has been dealt with.
      if (this.#request.count() > 1) this.#send();
      if (answer) return answer;
    }
  }

  #send(): void {
    const count = this.#request.count();
    const depth = count > 1 ? Math.min(this.#depth.value, this.#request.ahead?.() ?? Infinity) : 1;
    while (this.#queue.length < depth) {
      const from = this.#next;
      const wanted = this.#queue.reduce((left, { count: asked }) => left - asked, this.#left);
      if (from === undefined || from > this.#end || wanted <= 0) return;
      const width = depth > 1 && !this.#sparse ? this.#widthOf(count * FILLING) : undefined;
      if (width === undefined && this.#queue.length > 0 && !this.#sparse) return;
      const open = width === undefined;
      const to = open || from + width > this.#end ? this.#end : from + width - 1n;
      this.#next = open ? undefined : to + 1n;
      this.#queue.push(this.#ask(from, to, Math.min(count, wanted), open));
    }
  }

  #ask(from: bigint, to: bigint, count: number, open: boolean): Segment<T> {
    const underWay = this.#queue.length + 1;
    const answer = this.#request.ask({ from: this.#id(from), to: this.#id(to), count, underWay });
    this.#depth.watch(answer);
    return { from, to, count, open, answer };
  }

  #learn(segment: Segment<T>, answer: Answer<T> | undefined): void {
    const { from, to, count, open } = segment;
    const rows = answer?.rows ?? 0;
    const full = rows >= count;
    this.#left -= rows;
    const last = answer ? this.#place(answer.lastId) : to;
    // The first one starts anywhere before the first entry, the others where entries end.
    const isFirst = open && this.#widths.length === 0;
    const start = isFirst && answer ? this.#place(answer.firstId) : from;
    if (!this.#sparse || rows > 0) this.#note((full || open ? last : to) - start + 1n, rows);
    if (open) {
      this.#sparse = false;
      this.#next = full ? last + 1n : this.#end + 1n;
      return;
    }
    if (rows < count * SPARSE) this.#sparse = true;
    if (full && last < to && this.#left > 0)
      this.#queue.unshift(this.#ask(last + 1n, to, Math.min(this.#request.count(), this.#left), false));
  }

  #note(width: bigint, rows: number): void {
    this.#widths = [...this.#widths.slice(1 - LOOKED_BACK), [width, BigInt(rows)]];
  }

  /** How wide a segment of so many rows is likely to be; undefined when that is not known. */
  #widthOf(rows: number): bigint | undefined {
    const sparser = this.#widths.toSorted(([a, m], [b, n]) => Number(b * m < a * n) - Number(a * n < b * m));
    const [width = 0n, had = 0n] = sparser[sparser.length >> 1] ?? [];
    if (had === 0n) return undefined;
    const likely = (width * BigInt(Math.max(1, Math.floor(rows)))) / had;
    return likely === 0n ? 1n : likely;
  }

  /** Places grow in the order of reading. */
  #place(id: string): bigint {
    return this.#request.reverse ? LAST - idNumber(id) : idNumber(id);
  }

  #id(place: bigint): string {
    return numberedId(this.#request.reverse ? LAST - place : place);
  }
}
