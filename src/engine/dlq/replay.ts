import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ConnectionError, errorText, Interrupted, StreamctlError, UsageError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { packedSize, type Replay } from "../../redis/ops/replay-pack.ts";
import { type Fate, Reach } from "../../redis/ops/replay-fate.ts";
import { namingType } from "../groups/missing.ts";
import { Pace } from "../../lib/rate.ts";
import type { IdRange } from "../position.ts";
import type { DeadLetter } from "./letter.ts";
import { Mover, type Swept } from "./mover.ts";
import { asReplay, leftOut, reachOf } from "./replay-plan.ts";

export interface ReplayRequest {
  readonly dlq: StreamKey;
  readonly target: StreamKey;
  /** The target is where the letters come from: what still stands there is made pending again. */
  readonly revive: boolean;
  /** New entries may reach other groups than the one that failed. */
  readonly allGroups: boolean;
  /**
   * Asked once, of the first letters that can only be added where other groups would get them, too. False, or
   * nobody to ask: such letters stay in the queue.
   */
  readonly mayReachOthers?: (() => Promise<boolean>) | undefined;
  /** Leave the letters in the queue. */
  readonly keep: boolean;
  /** Leave out what has been replayed so often. */
  readonly maxReplays?: number | undefined;
  /** Also replay letters of a layout that is in doubt. */
  readonly acceptDoubt: boolean;
  readonly ratePerSecond?: number | undefined;
  /** The part of the queue of which everything is wanted, so that not every record must be looked at here. */
  readonly sweep?: IdRange | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Hears once why the number of replays can't be remembered. */
  readonly onUncounted: (reason: string) => void;
}

/** What came of the letters; every one that was looked at is counted in one place. */
export interface ReplayReport {
  readonly replayed: number;
  /** Of these, those that are pending again for their group. */
  readonly revived: number;
  /** Of these, those that their group had pending already, or had not come to yet. */
  readonly awaited: number;
  /** Left in the queue: their originals are gone, and other groups would get new entries, too. */
  readonly held: number;
  /** At most so many more were replayed in steps whose reply was lost. */
  readonly uncounted: number;
  /** Gone from the queue before this run came to them, or kept there by a replay that has added them. */
  readonly doneBefore: number;
  /** Left out because of maxReplays. */
  readonly tooOften: number;
  /** Left out because their layout is in doubt. */
  readonly doubtful: number;
  /** Sent, and never heard of again; at most so many of them were replayed. */
  readonly unknown: number;
  /** Why the run ended early. */
  readonly failure: StreamctlError | undefined;
  /** Somebody ended it at a question. */
  readonly interrupted: boolean;
}

export function emptyCounts(): { -readonly [Key in Count]: number } {
  return {
    replayed: 0,
    revived: 0,
    awaited: 0,
    held: 0,
    uncounted: 0,
    doneBefore: 0,
    tooOften: 0,
    doubtful: 0,
    unknown: 0,
  };
}

type Count = Exclude<keyof ReplayReport, "failure" | "interrupted">;

const BATCH = 100;
const BATCH_BYTES = 256 * 1_024;

/** Records that the server looks at in one go: about a millisecond's work. */
const SWEEP = 200;
/** So that the server has the next sweep at hand when it is done with one. */
const SWEEPERS = 2;
/** As many where a round trip takes long, which is when a sweep takes longer than SLOW_MS. */
const MOST_SWEEPERS = 6;
const SLOW_MS = 5;

/**
 * Replays dead letters, each exactly once whatever fails. Stops between
 * two entries when the signal aborts, and never throws for what befalls it half-way: the report says all.
 */
export function replayLetters(
  connection: Connection,
  request: ReplayRequest,
  pages: AsyncIterable<readonly DeadLetter[]>,
): Promise<ReplayReport> {
  return new Replayer(connection, request).run(pages);
}

class Replayer {
  readonly #request: ReplayRequest;
  readonly #mover: Mover;
  readonly #pace: Pace | undefined;
  readonly #connection: Connection;
  /** The batch that is under way while the next one is gathered. */
  #sending: Promise<void> = Promise.resolve();
  readonly #counts = emptyCounts();
  /** A sweep has passed over records: they are looked at letter by letter. */
  #leftSome = false;
  #reach: Reach;
  #asked = false;
  #interrupted = false;
  #batch: Replay[] = [];
  #bytes = 0;
  #failure: StreamctlError | undefined;

  constructor(connection: Connection, request: ReplayRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#reach = reachOf(request);
    this.#mover = new Mover(connection, { ...request, reach: () => this.#reach });
    this.#pace = request.ratePerSecond === undefined ? undefined : new Pace(request.ratePerSecond);
  }

  async run(pages: AsyncIterable<readonly DeadLetter[]>): Promise<ReplayReport> {
    try {
      const { sweep, ratePerSecond, signal } = this.#request;
      await this.#mover.prepare(signal);
      const swept = sweep !== undefined && ratePerSecond === undefined && this.#mover.inOneStep;
      if (swept) await this.#sweepAll(sweep);
      const done = this.#stopped || (swept && !this.#leftSome);
      for await (const page of done ? [] : pages) {
        for (const letter of page) {
          await this.#take(letter);
          if (this.#stopped) break;
        }
        if (this.#stopped) break;
      }
      if (!this.#stopped) await this.#flush();
    } catch (error) {
      this.#fail(error);
    }
    await this.#sending;
    const failure = await namingType(this.#connection, this.#failure);
    return { ...this.#counts, failure, interrupted: this.#interrupted };
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#interrupted || this.#request.signal.aborted;
  }

  async #sweepAll({ from, to }: IdRange): Promise<void> {
    const sweepers: Promise<void>[] = [];
    const join = (at: EntryId): void => {
      if (sweepers.length >= MOST_SWEEPERS) return;
      const sweeper = this.#sweep({ from: at, to }, join);
      sweeper.catch(() => {});
      sweepers.push(sweeper);
    };
    for (let n = 0; n < SWEEPERS; n++) join(from);
    // More of them may have joined by the time that one has come to its end.
    for (const sweeper of sweepers) await sweeper;
  }

  /**
   * Several of these may go over the same range: what one has moved the others don't find. `onSlow` hears where
   * another one may begin.
   */
  async #sweep({ from, to }: IdRange, onSlow: (at: EntryId) => void): Promise<void> {
    const most = this.#request.maxReplays ?? Number.MAX_SAFE_INTEGER;
    const place: { next: EntryId | undefined } = { next: from };
    while (place.next !== undefined && !this.#stopped) {
      const range: IdRange = { from: place.next, to };
      const count = (swept: Swept): void => {
        this.#counts.replayed += swept.added + swept.revived + swept.awaited;
        this.#counts.revived += swept.revived;
        this.#counts.awaited += swept.awaited;
        this.#leftSome ||= swept.leftSome;
        place.next = swept.next;
      };
      const startedAt = performance.now();
      try {
        const replyLost = await this.#persist(() => this.#mover.sweep(range, SWEEP, most, count));
        if (replyLost) this.#counts.uncounted += SWEEP;
      } catch (error) {
        if (error instanceof ReplyLost) this.#counts.unknown += SWEEP;
        this.#fail(error);
      }
      this.#request.onProgress?.(this.#counts.replayed);
      if (place.next !== undefined && performance.now() - startedAt > SLOW_MS) onSlow(place.next);
    }
  }

  async #take(letter: DeadLetter): Promise<void> {
    const why = leftOut(letter, this.#request);
    if (why !== undefined) {
      this.#counts[why]++;
      return;
    }
    const replay = asReplay(letter, this.#request.target);
    if (replay.fields.length === 0)
      throw new StreamctlError(
        "failed",
        `${this.#request.dlq} ${letter.id} has no original: nothing to replay`,
      );
    const size = packedSize(replay);
    if (this.#batch.length > 0 && (this.#bytes + size > BATCH_BYTES || this.#mover.isLarge(replay)))
      await this.#flush();
    this.#batch.push(replay);
    this.#bytes += size;
    const mayGoOn = this.#pace?.take() ?? true;
    const large = size > BATCH_BYTES;
    if (this.#batch.length >= BATCH || !mayGoOn || large || this.#mover.isLarge(replay)) await this.#flush();
    // Of large letters one at a time is in memory.
    if (large) await this.#sending;
    if (!mayGoOn) await sleep(this.#pace?.waitMs() ?? 0, this.#request.signal);
  }

  /** Sends the batch when the one before it has come to its end, so that no fault changes their order. */
  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#bytes = 0;
    await this.#sending;
    if (!this.#stopped) this.#sending = this.#send(batch);
  }

  /** Sends a batch to its end. Never rejects. */
  async #send(batch: readonly Replay[]): Promise<void> {
    const fates: Fate[] = [];
    try {
      const replyLost = await this.#persist(() => this.#mover.move(batch, fates));
      this.#count(fates, replyLost);
    } catch (error) {
      if (error instanceof ReplyLost) this.#counts.unknown += batch.length;
      else this.#count(fates, false);
      this.#fail(error);
    }
    this.#request.onProgress?.(this.#counts.replayed);
    const held = batch.filter((_, at) => fates[at] === "held");
    if (held.length === 0) return;
    if (!this.#stopped && (await this.#mayReachOthers())) await this.#send(held);
    else this.#counts.held += held.length;
  }

  #count(fates: readonly Fate[], replyLost: boolean): void {
    for (const fate of fates) {
      if (fate === "held") continue;
      // After a lost reply, "done before" is what our own success looks like.
      this.#counts[fate !== "absent" || replyLost ? "replayed" : "doneBefore"]++;
      if (fate === "revived" || fate === "awaited") this.#counts[fate]++;
    }
  }

  async #mayReachOthers(): Promise<boolean> {
    if (this.#asked) return false;
    this.#asked = true;
    try {
      if ((await this.#request.mayReachOthers?.()) !== true) return false;
      this.#reach = Reach.all;
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /**
   * Repeats a step through an outage, and resolves with whether a reply was lost on the way. Rejects with ReplyLost
   * when it may have been carried out.
   */
  async #persist(step: () => Promise<void>): Promise<boolean> {
    let replyLost = false;
    const attempt = (): Promise<void> =>
      step().catch((error: unknown) => {
        replyLost ||= error instanceof ConnectionError && error.sent;
        throw error;
      });
    try {
      await this.#connection.persist(attempt, { signal: this.#request.signal });
      return replyLost;
    } catch (error) {
      throw replyLost ? new ReplyLost(errorText(error), { cause: error }) : error;
    }
  }

  #fail(error: unknown): void {
    if (error instanceof Interrupted) this.#interrupted = true;
    else if (!(error instanceof StreamctlError)) throw error;
    else if (this.#failure === undefined || error instanceof ReplyLost) this.#failure = error;
  }
}

/** A step was sent, and no later attempt has shown what came of it. */
class ReplyLost extends StreamctlError {
  constructor(reason: string, options: { cause: unknown }) {
    super("unknownOutcome", `${reason}: the last entries may or may not have been replayed`, {
      ...options,
      hint: "run it again: what has been replayed is not replayed twice",
    });
    this.name = "ReplyLost";
  }
}

/** Replaying a queue into itself would never end. */
export function mustDiffer(dlq: StreamKey, target: StreamKey): void {
  if (dlq === target) throw new UsageError(`${target} is the queue itself: name another stream with --to`);
}
