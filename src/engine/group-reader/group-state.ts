import type { GroupName, StreamKey } from "../../entry/names.ts";
import { type Instant, msSince, now } from "../../lib/instant.ts";
import { sleep } from "../../lib/timer.ts";
import type { Pause, PauseSeen } from "../../redis/ops/pause.ts";
import { pauseText } from "../groups/pause-text.ts";

/** As often as the pending list is swept: one command more for all streams of a slot. */
const LOOK_EVERY_MS = 500;
/** What was seen longer ago, by the clocks of this machine, is looked at again before it is acted on. */
const FRESH_MS = 2 * LOOK_EVERY_MS;

export interface GroupStateParts {
  /** Those of the moment: another array whenever one joins or leaves. */
  readonly from: { readonly streams: readonly StreamKey[] };
  readonly group: GroupName;
  /** Asks Redis once; in the order of the streams. */
  readonly ask: (group: GroupName, streams: readonly StreamKey[]) => Promise<readonly PauseSeen[]>;
  readonly notice: (level: "detail" | "info" | "warn", message: string) => void;
  /**
   * From which streams may be taken has changed. Resolves when no read is under way that was sent before: only then a
   * pause is told.
   */
  readonly onChange: () => Promise<unknown>;
}

/**
 * What a group keeps in Redis for all its workers and readers, looked at every half a second: on which streams it is
 * paused. A stream on which it is paused is as good as not there for all that takes entries (`open`). Nothing is begun by
 * what was seen more than a second ago: whatever stood still, this process or its machine, asks first (`isFresh`).
 */
export class GroupState {
  readonly #parts: GroupStateParts;
  readonly #paused = new Map<StreamKey, Pause>();
  readonly #told = new Set<StreamKey>();
  readonly #refused = new Set<StreamKey>();
  #toldRefused = false;
  #lookedAt: Instant | undefined;
  #looking: Promise<void> | undefined;
  /** `open` and the array of streams that it was made of. */
  #open: readonly StreamKey[] = [];
  #openOf: readonly StreamKey[] | undefined;

  constructor(parts: GroupStateParts) {
    this.#parts = parts;
  }

  /** The streams from which may be taken; the same array as long as they are the same. */
  get open(): readonly StreamKey[] {
    const { streams } = this.#parts.from;
    if (streams === this.#openOf) return this.#open;
    this.#openOf = streams;
    this.#open = this.#paused.size === 0 ? streams : streams.filter((stream) => !this.#paused.has(stream));
    return this.#open;
  }

  isPaused(stream: StreamKey): boolean {
    return this.#paused.has(stream);
  }

  /** How many streams the group is paused on. */
  get paused(): number {
    return this.#paused.size === 0 ? 0 : this.#parts.from.streams.length - this.open.length;
  }

  /** There is no stream but paused ones. */
  get allPaused(): boolean {
    return this.#paused.size > 0 && this.open.length === 0;
  }

  /** Whether what was seen last may be acted on. While Redis can't be asked, nothing newer is to be had. */
  get isFresh(): boolean {
    return this.#lookedAt !== undefined && msSince(this.#lookedAt) < FRESH_MS;
  }

  /** Looks now; rejects when Redis can't be asked. One look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look(this.#parts.from.streams).finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** Before anything is taken from a stream that joins. */
  async join(stream: StreamKey): Promise<void> {
    this.#refused.delete(stream);
    await this.#ask([stream]);
  }

  left(stream: StreamKey): void {
    this.#paused.delete(stream);
    this.#told.delete(stream);
    this.#refused.delete(stream);
    this.#openOf = undefined;
  }

  /** Looks again and again until the signal aborts. `looked`: how each look ended. */
  async follow(signal: AbortSignal, looked: (error?: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        await this.look();
        looked();
      } catch (error) {
        looked(error);
      }
      await sleep(Math.max(0, startedAt + LOOK_EVERY_MS - performance.now()), signal);
    }
  }

  async #look(streams: readonly StreamKey[]): Promise<void> {
    const askedAt = now();
    try {
      await this.#ask(streams);
      this.#lookedAt = askedAt;
    } catch (error) {
      this.#lookedAt = now();
      throw error;
    }
  }

  async #ask(streams: readonly StreamKey[]): Promise<void> {
    const { group, ask } = this.#parts;
    const asked = streams.filter((stream) => !this.#refused.has(stream));
    const seen = asked.length === 0 ? [] : await ask(group, asked);
    let changed = false;
    for (const [i, stream] of asked.entries()) if (this.#saw(stream, seen[i])) changed = true;
    if (!changed) return;
    this.#openOf = undefined;
    void this.#parts.onChange().then(() => this.#tell());
  }

  #tell(): void {
    const { group, notice } = this.#parts;
    for (const [stream, pause] of this.#paused) {
      if (this.#told.has(stream)) continue;
      this.#told.add(stream);
      notice("info", `group ${group} is paused on ${stream}, ${pauseText(pause)}`);
    }
  }

  /** True when that changes from where may be taken. */
  #saw(stream: StreamKey, seen: PauseSeen): boolean {
    const { group, notice } = this.#parts;
    const before = this.#paused.get(stream);
    if (seen === "refused") this.#noteRefused(stream);
    if (seen === undefined || seen === "refused") {
      if (this.#told.delete(stream))
        notice("info", `group ${group} goes on with ${stream}: its pause is over`);
      return this.#paused.delete(stream);
    }
    this.#paused.set(stream, seen);
    return before === undefined;
  }

  #noteRefused(stream: StreamKey): void {
    const { group, notice } = this.#parts;
    this.#refused.add(stream);
    if (this.#toldRefused) return;
    this.#toldRefused = true;
    notice("info", `a pause of group ${group} will not stop this run: its user has no right to see one`);
  }
}
