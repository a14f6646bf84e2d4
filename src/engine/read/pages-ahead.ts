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
  /** The most reads that may be under way, or answered and not taken; three times as many where segments hold more than a page. */
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

/** What is left of a segment, in parts as wide as its page was, of which the last goes to its end. */
interface Cut {
  readonly parts: number;
  /** One of them held little: the entries do not go on as densely. */
  sparse: boolean;
}

interface Segment<T> {
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
  /** It goes to the end of the range: where the next one starts is known when it has been answered. */
  readonly open: boolean;
  /** It is part of one that held more than a page. */
  readonly cut: Cut | undefined;
  readonly answer: Promise<Answer<T> | undefined>;
  answered: boolean;
  /** What is left of it, from there on, has yet to be asked for. */
  rest: { readonly from: bigint; readonly width: bigint } | undefined;
}

/** A segment is as wide as so much of a page took before, so that a page seldom has to be read in two parts. */
const FILLING = 0.9;
/** As many pages back tell how dense the range is, gaps included: what is denser than that is read on in parts. */
const LOOKED_BACK = 5;
/** A segment with less than this part of a page: how dense the range is, is known no more. */
const SPARSE = 1 / 8;
const LAST = (1n << 128n) - 1n;
/** Entries of one millisecond are numbered without gaps: what is wider than this ends where a millisecond does. */
const MS = 1n << 64n;
const WIDEST_WITHIN_MS = 1n << 32n;

/**
 * Reads a range page by page, and far from the server several pages at once. A page starts where the one before
 * it ended, which is not known before that has come; so the range is cut into segments, each of them as wide as
 * a page is likely to take, and read on where one holds more than a page. Nothing rests on the guess but speed:
 * the segments together are the range, whatever is in them. Where IDs are too uneven to guess, one page is asked
 * for at a time, as it is while the server answers sooner than pages are taken. What a segment holds beyond a page is
 * asked for as soon as that shows, and in more parts the more often it does.
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
  /** The one that was taken last; its answer may still have to come. */
  #awaited: Segment<T> | undefined;
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
      this.#awaited = segment;
      const answer = await this.#depth.take(segment.answer);
      this.#left -= answer?.rows ?? 0;
      this.#readOn(segment, Math.max(1, this.#roomFor(0)));
      // What is large enough to be a page of its own is in memory once: the next comes when it has been dealt with.
      if (this.#request.count() > 1) this.#send();
      if (answer) return answer;
    }
  }

  /** How many have been answered, and wait for one before them to be. */
  get #stuck(): number {
    let waits = this.#awaited?.answered === false;
    let stuck = 0;
    for (const { answered } of this.#queue) {
      if (!answered) waits = true;
      else if (waits) stuck++;
    }
    return stuck;
  }

  get #most(): number {
    if (this.#request.count() <= 1) return 1;
    return Math.min(this.#depth.value, this.#request.ahead?.() ?? Infinity);
  }

  #send(): void {
    const count = this.#request.count();
    const depth = this.#most;
    // Those that wait for the rest of one before them hold nothing back.
    while (this.#queue.length < Math.min(depth + this.#stuck, 2 * depth)) {
      const from = this.#next;
      const wanted = this.#queue.reduce((left, { count: asked }) => left - asked, this.#left);
      if (from === undefined || from > this.#end || wanted <= 0) return;
      const width = depth > 1 && !this.#sparse ? this.#widthOf(count * FILLING) : undefined;
      if (width === undefined && this.#queue.length > 0 && !this.#sparse) return;
      const open = width === undefined;
      const to = open ? this.#end : this.#endOf(from, width);
      this.#next = open ? undefined : to + 1n;
      this.#queue.push(this.#ask({ from, to, count: Math.min(count, wanted), open, cut: undefined }));
    }
  }

  /** Where a segment ends that is about so wide. */
  #endOf(from: bigint, width: bigint): bigint {
    let to = from + width - 1n;
    if (width > WIDEST_WITHIN_MS) to = ((to + 1n) / MS) * MS - 1n;
    // Within the millisecond that it starts in.
    if (to < from) to = (from / MS + 1n) * MS - 1n;
    return to > this.#end ? this.#end : to;
  }

  #ask(part: Pick<Segment<T>, "from" | "to" | "count" | "open" | "cut">): Segment<T> {
    const { from, to, count } = part;
    const underWay = this.#queue.length + 1;
    const answer = this.#request.ask({ from: this.#id(from), to: this.#id(to), count, underWay });
    this.#depth.watch(answer);
    const segment: Segment<T> = { ...part, answer, answered: false, rest: undefined };
    // Whoever takes it hears of its failure.
    answer.then(
      (came) => this.#learn(segment, came),
      () => {},
    );
    return segment;
  }

  /** An answer has come, which may not be the next to be taken. */
  #learn(segment: Segment<T>, answer: Answer<T> | undefined): void {
    segment.answered = true;
    const { from, to, count, open } = segment;
    const rows = answer?.rows ?? 0;
    const full = rows >= count;
    const last = answer ? this.#place(answer.lastId) : to;
    const first = answer ? this.#place(answer.firstId) : from;
    // The first one starts anywhere before the first entry, the others where entries end.
    const start = open && this.#widths.length === 0 ? first : from;
    if (!this.#sparse || rows > 0) this.#note((full || open ? last : to) - start + 1n, rows);
    if (open) {
      this.#sparse = false;
      this.#next = full ? last + 1n : this.#end + 1n;
    } else if (full && last < to) {
      segment.rest = { from: last + 1n, width: last - first + 1n };
      const at = this.#queue.indexOf(segment);
      const waitedFor = this.#queue.slice(0, Math.max(0, at)).filter(({ answered }) => !answered).length;
      const room = this.#roomFor(waitedFor);
      if (room > 0 && this.#request.count() > 1) this.#readOn(segment, room);
    } else if (rows < count * SPARSE) {
      if (segment.cut) segment.cut.sparse = true;
      else this.#sparse = true;
    }
    if (this.#most > 1) this.#send();
  }

  /** How many parts a segment may be cut into before it is taken: the sooner that will be, the more. */
  #roomFor(waitedFor: number): number {
    const most = this.#most;
    const queued = this.#queue.length;
    return Math.min(3 * most - queued, Math.max(2 * most - queued, most - waitedFor));
  }

  /** Asks for what is left of a segment, before what comes after it: as if it went on as densely as it began. */
  #readOn(segment: Segment<T>, room: number): void {
    const { to, rest, cut } = segment;
    if (rest === undefined || this.#left <= 0) return;
    segment.rest = undefined;
    const count = Math.min(this.#request.count(), this.#left);
    const parts = cut && !cut.sparse ? Math.min(cut.parts * 2, room) : 1;
    const among: Cut = { parts, sparse: false };
    const width = BigInt(Math.floor((Number(rest.width) * FILLING * count) / segment.count) || 1);
    const asked: Segment<T>[] = [];
    for (let { from } = rest; from <= to;) {
      const end = asked.length + 1 < parts ? this.#endOf(from, width) : to;
      const until = end < to ? end : to;
      asked.push(this.#ask({ from, to: until, count, open: false, cut: among }));
      from = until + 1n;
    }
    this.#queue.splice(this.#queue.indexOf(segment) + 1, 0, ...asked);
  }

  #note(width: bigint, rows: number): void {
    this.#widths = [...this.#widths.slice(1 - LOOKED_BACK), [width, BigInt(rows)]];
  }

  /** How wide a segment of so many rows is likely to be; undefined when that is not known. */
  #widthOf(rows: number): bigint | undefined {
    let [width, had] = [0n, 0n];
    for (const [wide, many] of this.#widths) {
      width += wide;
      had += many;
    }
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
