import { ConnectionError, errorText, StreamctlError, UsageError } from "../../errors.ts";
import { sleep } from "../../redis/backoff.ts";
import type { Connection } from "../../redis/connection.ts";
import { packedSize, type Replay } from "../../redis/replay-pack.ts";
import { Pace } from "../produce/pace.ts";
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
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Hears once why the number of replays can't be remembered. */
  readonly onUncounted: (reason: string) => void;
}

/** What came of the letters; every one that was looked at is counted in one place. */
export interface ReplayReport {
  readonly replayed: number;
  /** Gone from the queue before this run came to them, or kept there by a replay that has added them. */
  readonly doneBefore: number;
  /** Left out because of maxReplays. */
  readonly tooOften: number;
  /** Left out because their layout is in doubt. */
  readonly doubtful: number;
  /** Sent, and never heard of again. */
  readonly unknown: number;
  /** Why the run ended early. */
  readonly failure: StreamctlError | undefined;
}

const BATCH = 100;
const BATCH_BYTES = 256 * 1_024;
/** Batches under way: the server never waits for the next, and a stop waits for few. */
const IN_FLIGHT = 3;

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
  readonly #inFlight = new Set<Promise<void>>();
  readonly #counts = { replayed: 0, doneBefore: 0, tooOften: 0, doubtful: 0, unknown: 0 };
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
      for await (const page of pages) {
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
    await Promise.all(this.#inFlight);
    return { ...this.#counts, failure: this.#failure };
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#request.signal.aborted;
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

  /** Sends the batch; resolves when there may be another one. */
  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0 || this.#stopped) return;
    this.#batch = [];
    this.#bytes = 0;
    const sending: Promise<void> = this.#send(batch).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    while (this.#inFlight.size >= IN_FLIGHT) await Promise.race(this.#inFlight);
  }

  /** Repeats the steps of a batch through an outage: each takes effect once. Never rejects. */
  async #send(batch: readonly Replay[]): Promise<void> {
    let replyLost = false;
    try {
      const moved = await this.#connection.persist(
        () =>
          this.#mover.move(batch).catch((error: unknown) => {
            replyLost ||= error instanceof ConnectionError && error.sent;
            throw error;
          }),
        { signal: this.#request.signal },
      );
      // After a lost reply, "done before" is what our own success looks like.
      for (const done of moved) this.#counts[done || replyLost ? "replayed" : "doneBefore"]++;
      this.#request.onProgress?.(this.#counts.replayed);
    } catch (error) {
      if (replyLost) this.#counts.unknown += batch.length;
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof StreamctlError)) throw error;
    const { unknown } = this.#counts;
    if (unknown > 0)
      this.#failure = new StreamctlError(
        "unknownOutcome",
        `${errorText(error)}; ${unknown} entries may or may not have been replayed`,
        { hint: "run it again: what has been replayed is not replayed twice", cause: error },
      );
    else this.#failure ??= error;
  }
}

/** Replaying a queue into itself would never end. */
export function mustDiffer(dlq: string, target: string): void {
  if (dlq === target) throw new UsageError(`${target} is the queue itself: name another stream with --to`);
}
