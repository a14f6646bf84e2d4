import type { StreamKey } from "../../entry/names.ts";
import { bySlot, keySlot } from "../../redis/keys.ts";

/** How long a read waits that names only some of the streams: the others are looked at after it. */
const TURN_MS = 200;

export interface TurnsOptions {
  /** The streams of the moment: another array whenever one joins or leaves. */
  readonly streams: () => readonly StreamKey[];
  readonly cluster: boolean;
  /**
   * True where a wait finds nothing, but tells when to look: then all streams of a slot are waited for together, and each
   * is looked at by a read of its own.
   */
  readonly waitsApart?: boolean | undefined;
  /** True for a stream that can't share a read with others now, nor be waited for. */
  readonly alone?: ((stream: StreamKey) => boolean) | undefined;
}

/** What one read asks for. */
export interface Turn {
  /** The streams' slot; outside a cluster there is one, 0. */
  readonly slot: number;
  readonly streams: readonly StreamKey[];
  /** COUNT: it goes for each stream. */
  readonly count: number;
  /** BLOCK in ms; 0: it looks and does not wait. */
  readonly blockMs: number;
  /** It names every stream that there is. */
  readonly all: boolean;
}

interface Slot {
  readonly number: number;
  readonly streams: readonly StreamKey[];
}

/**
 * Whose turn it is to be read. One read names streams of one slot only, and no more of them than entries are wanted, as
 * COUNT goes for each stream; all others take turns, so that none starves. What can't be waited for by one read is
 * looked at, stream by stream, and when nothing was there some streams are waited for, for a moment.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #streams: readonly StreamKey[] = [];
  #slots: Slot[] = [];
  /** The slot whose turn it is, and the streams of it that have yet to have theirs in this round. */
  #at = 0;
  #rest: readonly StreamKey[] = [];
  readonly #looked = new Set<string>();
  /** How many of each slot. */
  readonly #lookedOf = new Map<number, number>();

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** The slots of the streams, each with one of them. */
  get slots(): ReadonlyMap<number, string> {
    this.#regroup();
    return new Map(this.#slots.map(({ number, streams }) => [number, streams[0] as string]));
  }

  slotOf(stream: StreamKey): number {
    return this.#options.cluster ? keySlot(stream) : 0;
  }

  /** Whether every stream was looked at since `lookAnew`. */
  get allLooked(): boolean {
    this.#regroup();
    // Of thousands of streams most questions are answered by the sizes.
    return (
      this.#looked.size >= this.#streams.length && this.#streams.every((stream) => this.#looked.has(stream))
    );
  }

  /** How many reads it takes to look at the streams that were not looked at, where enough is wanted. */
  get looksLeft(): number {
    this.#regroup();
    if (this.#options.waitsApart) return Math.max(0, this.#streams.length - this.#looked.size);
    const isLeft = ({ number, streams }: Slot): boolean => (this.#lookedOf.get(number) ?? 0) < streams.length;
    return this.#slots.filter(isLeft).length;
  }

  /** Nothing was there. */
  looked({ slot, streams }: Turn): void {
    for (const stream of streams) this.#looked.add(stream);
    this.#lookedOf.set(slot, (this.#lookedOf.get(slot) ?? 0) + streams.length);
  }

  /** Something has come, or time has passed: every stream is worth a look again. */
  lookAnew(): void {
    this.#looked.clear();
    this.#lookedOf.clear();
  }

  /**
   * The next read, of about `count` entries in all, and never more than `most`. It waits up to `waitMs` when nothing was
   * found in any stream, or when it names all of them. Undefined: there are no streams.
   */
  next(count: number, most: number, waitMs: number): Turn | undefined {
    this.#regroup();
    const slot = this.#slots[this.#at];
    if (!slot) return undefined;
    const { waitsApart = false, alone = () => false } = this.#options;
    const waits = waitMs > 0 && this.allLooked;
    const first = this.#rest[0] as StreamKey;
    let streams: readonly StreamKey[] = [first];
    if (waits && waitsApart) streams = slot.streams;
    else if (!waitsApart && !alone(first)) streams = this.#together(alone, most);
    const all = streams.length === this.#streams.length;
    this.#pass(streams);
    const blocks = waits || (waitMs > 0 && all && !waitsApart && !alone(first));
    return {
      slot: slot.number,
      streams,
      count: Math.max(1, Math.floor(Math.min(count, most) / streams.length)),
      blockMs: !blocks ? 0 : all ? waitMs : Math.min(waitMs, TURN_MS),
      all,
    };
  }

  /** Up to `most` streams whose turn it is and that may share a read. */
  #together(alone: (stream: StreamKey) => boolean, most: number): StreamKey[] {
    const some: StreamKey[] = [];
    for (const stream of this.#rest) {
      if (some.length >= most) break;
      if (!alone(stream)) some.push(stream);
    }
    return some;
  }

  #pass(streams: readonly StreamKey[]): void {
    this.#rest = streams.every((stream, i) => stream === this.#rest[i])
      ? this.#rest.slice(streams.length)
      : without(this.#rest, streams);
    if (this.#rest.length === 0) this.#begin((this.#at + 1) % this.#slots.length);
  }

  #begin(slot: number): void {
    this.#at = slot;
    this.#rest = this.#slots[slot]?.streams ?? [];
  }

  /** Streams that join or leave change nothing about whose turn it is. */
  #regroup(): void {
    const streams = this.#options.streams();
    if (streams === this.#streams) return;
    const current = this.#slots[this.#at];
    const passed = without(current?.streams ?? [], this.#rest);
    this.#streams = streams;
    this.#slots = bySlot(streams, this.#options.cluster).map((group) => ({
      number: this.slotOf(group[0] as StreamKey),
      streams: group,
    }));
    const at = this.#slots.findIndex(({ number }) => number === current?.number);
    this.#begin(Math.max(0, at));
    if (at >= 0) this.#pass(passed);
  }
}

function without(items: readonly StreamKey[], those: readonly StreamKey[]): StreamKey[] {
  const left = new Set(those);
  return items.filter((item) => !left.has(item));
}
