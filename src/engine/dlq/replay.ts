import type { EntryId } from "../../entry/id.ts";
import { ConnectionError, errorText, StreamctlError, UsageError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { packedSize, type Replay } from "../../redis/replay-pack.ts";
import { Pace } from "../produce/pace.ts";
import type { IdRange } from "../position.ts";
import type { DeadLetter } from "./letter.ts";
import { Mover } from "./mover.ts";

export interface ReplayRequest {
  readonly dlq: string;
  readonly target: string;
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
}

const BATCH = 100;
const BATCH_BYTES = 256 * 1_024;

/** Records that the server looks at in one go: about a millisecond's work. */
const SWEEP = 200;
/** So that the server has the next sweep at hand when it is done with one. */
const SWEEPERS = 2;

/** Why a letter is not replayed; undefined when it is. */
export function leftOut(
  letter: DeadLetter,
  { maxReplays, acceptDoubt }: Pick<ReplayRequest, "maxReplays" | "acceptDoubt">,
): "tooOften" | "doubtful" | undefined {
  if (letter.doubt !== undefined && !acceptDoubt) return "doubtful";
  return maxReplays !== undefined && letter.replays >= maxReplays ? "tooOften" : undefined;
}

/**
 * Puts the originals of dead letters back into a stream, each exactly once whatever fails. Stops between
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
  readonly #counts = { replayed: 0, uncounted: 0, doneBefore: 0, tooOften: 0, doubtful: 0, unknown: 0 };
  /** A sweep has passed over records: they are looked at letter by letter. */
  #leftSome = false;
  #batch: Replay[] = [];
  #bytes = 0;
  #failure: StreamctlError | undefined;

  constructor(connection: Connection, request: ReplayRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#mover = new Mover(connection, request);
    this.#pace = request.ratePerSecond === undefined ? undefined : new Pace(request.ratePerSecond);
  }

  async run(pages: AsyncIterable<readonly DeadLetter[]>): Promise<ReplayReport> {
    try {
      const { sweep, ratePerSecond, signal } = this.#request;
      await this.#mover.prepare(signal);
      const swept = sweep !== undefined && ratePerSecond === undefined && this.#mover.inOneStep;
      if (swept) await Promise.all(Array.from({ length: SWEEPERS }, () => this.#sweep(sweep)));
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
    return { ...this.#counts, failure: this.#failure };
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#request.signal.aborted;
  }

  /** Several of these may go over the same range: what one has moved the others don't find. */
  async #sweep({ from, to }: IdRange): Promise<void> {
    const most = this.#request.maxReplays ?? Number.MAX_SAFE_INTEGER;
    let next: EntryId | undefined = from;
    while (next !== undefined && !this.#stopped) {
      const range: IdRange = { from: next, to };
      try {
        const swept = await this.#persist(() => this.#mover.sweep(range, SWEEP, most));
        if (swept.replyLost) this.#counts.uncounted += SWEEP;
        this.#counts.replayed += swept.result.moved;
        this.#leftSome ||= swept.result.leftSome;
        next = swept.result.next;
      } catch (error) {
        if (error instanceof ReplyLost) this.#counts.unknown += SWEEP;
        this.#fail(error);
      }
      this.#request.onProgress?.(this.#counts.replayed);
    }
  }

  async #take(letter: DeadLetter): Promise<void> {
    const why = leftOut(letter, this.#request);
    if (why !== undefined) {
      this.#counts[why]++;
      return;
    }
    const { id, fields } = letter;
    if (fields.length === 0)
      throw new StreamctlError("failed", `${this.#request.dlq} ${id} has no original: nothing to replay`);
    const replay: Replay = { id, replays: letter.replays + 1, fields };
    const size = packedSize(replay);
    if (this.#batch.length > 0 && (this.#bytes + size > BATCH_BYTES || this.#mover.isLarge(replay)))
      await this.#flush();
    this.#batch.push(replay);
    this.#bytes += size;
    const mayGoOn = this.#pace?.take() ?? true;
    if (this.#batch.length >= BATCH || !mayGoOn || this.#mover.isLarge(replay)) await this.#flush();
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
    try {
      const { result, replyLost } = await this.#persist(() => this.#mover.move(batch));
      // After a lost reply, "done before" is what our own success looks like.
      for (const done of result) this.#counts[done || replyLost ? "replayed" : "doneBefore"]++;
      this.#request.onProgress?.(this.#counts.replayed);
    } catch (error) {
      if (error instanceof ReplyLost) this.#counts.unknown += batch.length;
      this.#fail(error);
    }
  }

  /** Repeats a step through an outage. Rejects with ReplyLost when it may have been carried out. */
  async #persist<T>(step: () => Promise<T>): Promise<{ result: T; replyLost: boolean }> {
    let replyLost = false;
    const attempt = (): Promise<T> =>
      step().catch((error: unknown) => {
        replyLost ||= error instanceof ConnectionError && error.sent;
        throw error;
      });
    try {
      const result = await this.#connection.persist(attempt, { signal: this.#request.signal });
      return { result, replyLost };
    } catch (error) {
      throw replyLost ? new ReplyLost(errorText(error), { cause: error }) : error;
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof StreamctlError)) throw error;
    if (this.#failure === undefined || error instanceof ReplyLost) this.#failure = error;
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
export function mustDiffer(dlq: string, target: string): void {
  if (dlq === target) throw new UsageError(`${target} is the queue itself: name another stream with --to`);
}
