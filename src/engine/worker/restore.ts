import type { StreamKey } from "../../entry/names.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Groups } from "./groups.ts";
import type { Ordering } from "./ordering.ts";
import type { Retries } from "./retries.ts";

/**
 * Whether a consumer has been there all the time. XGROUP DELCONSUMER and XGROUP DESTROY throw away all that is
 * pending for it, and its next read makes it anew: afterwards nothing in Redis tells of that. But an entry that it
 * got at one time and still had at another proves that nothing was thrown away in between. Such spans that
 * overlap prove it for all of their time. Times are of performance.now().
 */
export class Continuity {
  #from = Number.POSITIVE_INFINITY;
  #until = Number.NEGATIVE_INFINITY;
  #gotAt = Number.NEGATIVE_INFINITY;
  #brokenAt = Number.NEGATIVE_INFINITY;

  /** The consumer has got something: its being there proves nothing of the time before. */
  got(at: number): void {
    this.#gotAt = at;
  }

  /** An entry that came at `gotAt` was still this consumer's at `at`. */
  stillHad(gotAt: number, at: number): void {
    const from = Math.max(gotAt, this.#brokenAt);
    if (from > this.#until) {
      this.#from = from;
      this.#until = at;
    } else {
      this.#from = Math.min(this.#from, from);
      this.#until = Math.max(this.#until, at);
    }
  }

  /** Something was found to have been thrown away. */
  broke(at: number): void {
    this.#brokenAt = at;
    this.#from = Number.POSITIVE_INFINITY;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** Whether it is known to have been thrown away after that. */
  brokenSince(since: number): boolean {
    return this.#brokenAt > since;
  }

  /** When the consumer has got something for the last time. */
  get gotAt(): number {
    return this.#gotAt;
  }

  /**
   * Whether all may have been thrown away after `since` without a sign of it: so that the consumer, which was there,
   * had got something afterwards, at `gotAt` at the latest.
   */
  mayHaveBroken(since: number, gotAt: number): boolean {
    return gotAt > (this.#from <= since ? Math.max(this.#until, since) : since);
  }
}

/** One for each stream. */
export class Continuities {
  readonly #continuities = new Map<string, Continuity>();

  of(stream: StreamKey): Continuity {
    let continuity = this.#continuities.get(stream);
    if (!continuity) this.#continuities.set(stream, (continuity = new Continuity()));
    return continuity;
  }
}

/** The time in which a worker that is busy learns that its group was destroyed, by a verdict or a read. */
const OTHERS_NOTICE_MS = 300;

export interface RestorerParts {
  readonly streams: Streams;
  readonly settings: Member;
  readonly groups: Groups;
  readonly retries: Retries;
  readonly ordering: Ordering;
  readonly continuities: Continuities;
  /** Aborted: a group that has been destroyed is left alone. */
  readonly ending: AbortSignal;
}

/** Makes pending again what this worker has and Redis has thrown away, with its consumer or with the whole group. */
export class Restorer {
  readonly #parts: RestorerParts;
  readonly #steps = new Map<string, Steps>();
  /** Per stream, what the holders said of this consumer when all that it has was restored last. */
  readonly #losses = new Map<string, string | undefined>();
  #readAgainAt = 0;

  constructor(parts: RestorerParts) {
    this.#parts = parts;
  }

  /**
   * When to read again, by performance.now(): after a group was made again, others move it on to where they were, before
   * what they had is read as new.
   */
  get readAgainAt(): number {
    return this.#readAgainAt;
  }

  /** A stream joins: its group is there, or is made; one that was read before, and has come anew, gets it in any case. */
  async join(stream: StreamKey): Promise<void> {
    const { groups } = this.#parts;
    if (groups.knows(stream)) await this.#makePending(stream, true);
    else await groups.prepareOne(stream);
    groups.forgetLeft(stream);
  }

  /**
   * Makes pending again all that this worker has of the stream. `vanished`: its group was not there, and is made first,
   * or moved on when another has made it; only then, because somebody may have set it back. False when the worker is
   * stopping, and the group has gone.
   */
  restore(stream: StreamKey, vanished = false): Promise<boolean> {
    let steps = this.#steps.get(stream);
    if (!steps) {
      steps = new Steps(async (gone) => {
        const loss = await this.#lossOf(stream);
        const restored = await this.#restore(stream, gone);
        this.#losses.set(stream, loss);
        return restored;
      });
      this.#steps.set(stream, steps);
    }
    return steps.another(vanished);
  }

  /** Resolves when nothing of the stream is being made pending again. */
  async ended(stream: StreamKey): Promise<void> {
    await this.#steps.get(stream)?.ended();
  }

  /** Whether the holders tell of a loss of this consumer since all that it has was restored last. */
  async lostSince(stream: StreamKey): Promise<boolean> {
    return (await this.#lossOf(stream)) !== this.#losses.get(stream);
  }

  async #restore(stream: StreamKey, vanished: boolean): Promise<boolean> {
    const { groups, ending } = this.#parts;
    const stopping = ending.aborted;
    await this.#makePending(stream, await groups.mayMake(stream, vanished && !stopping));
    return !stopping || (await groups.exists(stream));
  }

  async #makePending(stream: StreamKey, make: boolean): Promise<void> {
    const { groups, retries, ordering, continuities } = this.#parts;
    const { at, destroyed } = await groups.makePending(stream, make, ordering.held(stream));
    continuities.of(stream).broke(at);
    retries.noteRestored(stream, at);
    if (destroyed) this.#readAgainAt = at + OTHERS_NOTICE_MS;
  }

  async #lossOf(stream: StreamKey): Promise<string | undefined> {
    const { streams, settings } = this.#parts;
    const holders = settings.holders?.(stream);
    return holders === undefined ? undefined : streams.lossOf(settings, holders);
  }
}

/** One step at a time; those who ask while one is under way share the next: it knows what they know. */
class Steps {
  readonly #step: (vanished: boolean) => Promise<boolean>;
  #underWay: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #nextVanished = false;

  constructor(step: (vanished: boolean) => Promise<boolean>) {
    this.#step = step;
  }

  another(vanished: boolean): Promise<boolean> {
    if (this.#underWay === undefined) return this.#begin(vanished);
    this.#nextVanished ||= vanished;
    this.#next ??= this.#underWay
      .catch(() => false)
      .then(() => {
        const gone = this.#nextVanished;
        this.#next = undefined;
        this.#nextVanished = false;
        return this.#begin(gone);
      });
    return this.#next;
  }

  /** Resolves when no step is under way. */
  async ended(): Promise<void> {
    while (this.#underWay) await this.#underWay.catch(() => false);
  }

  #begin(vanished: boolean): Promise<boolean> {
    this.#underWay = this.#step(vanished).finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }
}
