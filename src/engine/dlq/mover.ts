import { type EntryId, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError, UsageError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied, translateReply } from "../../redis/errors.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { endedBy } from "../../redis/ops/caller.ts";
import { groupInfos } from "../../redis/ops/info.ts";
import { deleteEntries } from "../../redis/ops/key.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import { addOnce } from "../../redis/ops/move.ts";
import {
  addLettersOnce,
  moveLetters,
  planLetters,
  proveDeleting,
  proveMarking,
  proveReviving,
  type ReplayRule,
} from "../../redis/ops/replay.ts";
import { type Fate, Reach } from "../../redis/ops/replay-fate.ts";
import { noteAdded, proveNoting } from "../../redis/ops/replay-notes.ts";
import type { Replay } from "../../redis/ops/replay-pack.ts";
import { sweepLetters } from "../../redis/ops/replay-sweep.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { explain } from "../groups/missing.ts";
import type { IdRange } from "../position.ts";
import { MEMORY_MS, replayMemory } from "./replay-memory.ts";

export interface MoveRequest {
  readonly dlq: StreamKey;
  readonly target: StreamKey;
  readonly keep: boolean;
  /** May change while letters move: somebody agrees to more. */
  readonly reach: () => Reach;
  readonly onUncounted: (reason: string) => void;
}

/** What a sweep has done so far. */
export interface Swept {
  readonly added: number;
  readonly revived: number;
  readonly awaited: number;
  readonly next: EntryId | undefined;
  /** Records were passed over that somebody has to look at. */
  readonly leftSome: boolean;
}

/** The groups of a stream; none when it is not there. */
export async function groupNames(connection: Connection, stream: StreamKey): Promise<string[]> {
  try {
    return (await groupInfos(connection, stream)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return [];
    throw await explain(connection, stream, undefined, error);
  }
}

/**
 * The steps that replay letters of a queue: the original is made pending again for the group it failed in, or is
 * added to a stream anew (see redis/ops/replay.ts). Each may be repeated after a lost reply, and by another run
 * at the same time, without doing it twice:
 *
 * - In one slot a move is one script (moveLetters); being in the queue is the token.
 * - Across slots, and for a letter with more values than a script can pass that must be added:
 *     1. replay, and mark beside the target – a crash here: the letter is in the queue, its mark keeps the
 *                                             next try from doing it again
 *     2. delete from the queue              – a crash here: done
 * - A letter that is kept is only replayed, and its mark keeps later runs from doing it again.
 */
export class Mover {
  readonly #connection: Connection;
  readonly #request: MoveRequest;
  readonly #memory: { readonly notes: string; readonly marks: string } | undefined;
  /** Undefined when the target's name allows none, or they can't be written. */
  #notes: string | undefined;
  /** The server's clock less that of performance.now(), in ms. */
  #clockOffsetMs = 0;

  constructor(connection: Connection, request: MoveRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#memory = replayMemory(request.target, connection.cluster);
    this.#notes = this.#memory?.notes;
  }

  /** True when a move is one script, and sweepable records need not be looked at one by one. */
  get inOneStep(): boolean {
    const { dlq, target, keep } = this.#request;
    return !keep && sameSlot(dlq, target, this.#connection.cluster);
  }

  /**
   * To be called first: finds out what this user may not do before anything moves, because a script that is
   * refused half-way keeps what it has done, and so would add an entry without deleting its letter. None of
   * these calls changes more than when the notes expire.
   */
  async prepare(signal: AbortSignal): Promise<void> {
    const { dlq, target, keep, reach, onUncounted } = this.#request;
    const caller = endedBy(this.#connection, signal);
    if (!keep) await proveDeleting(caller, dlq);
    if (reach() !== Reach.anew && (await groupNames(this.#connection, target)).length > 0)
      await proveReviving(caller, target);
    if (!this.inOneStep && this.#memory) await proveMarking(caller, this.#memory.marks);
    await this.#readClock();
    const notes = this.#notes;
    if (notes === undefined) return;
    try {
      await proveNoting(caller, notes, MEMORY_MS);
    } catch (error) {
      if (!(error instanceof ServerError) || !/^(NOPERM|WRONGTYPE)$/.test(error.code)) throw error;
      this.#notes = undefined;
      onUncounted(error.code === "NOPERM" ? `this user may not write ${notes}` : error.message);
    }
  }

  /**
   * Marks and notes go by the server's clock: one that is ahead would take marks for outdated. Only they need it
   * to be right, so only a run that marks is refused where it may not be read.
   */
  async #readClock(): Promise<void> {
    const offset = (nowMs: number): number => nowMs - performance.now();
    try {
      this.#clockOffsetMs = offset(await serverNowMs(this.#connection));
    } catch (error) {
      if (!isDenied(error) || !this.inOneStep) throw error;
      this.#clockOffsetMs = offset(Date.now());
    }
  }

  get #nowMs(): number {
    return Math.round(performance.now() + this.#clockOffsetMs);
  }

  /** True for a letter that goes alone. */
  isLarge({ fields }: Replay): boolean {
    return fields.length > MAX_SCRIPT_VALUES;
  }

  /** What would become of each letter; changes nothing. */
  async plan(replays: readonly Replay[]): Promise<Fate[]> {
    const { target, reach } = this.#request;
    if (reach() === Reach.anew) return replays.map(() => "added");
    try {
      return await planLetters(this.#connection, { target, reach: reach() }, replays);
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  /**
   * Writes into `fates` what has become of each letter, also of those that were replayed before a failure. In a
   * repeat, what this call has replayed before is absent; it stays what it was.
   */
  async move(replays: readonly Replay[], fates: Fate[]): Promise<void> {
    const { dlq, keep } = this.#request;
    const once = keep || !this.inOneStep;
    const { fates: moved, failure } = await this.#step((rule) =>
      once
        ? addLettersOnce(this.#connection, this.#markRule(), rule, replays)
        : moveLetters(this.#connection, dlq, rule, replays),
    );
    const [first] = replays;
    if (first && moved[0] === "large") moved[0] = (await this.#addLarge(first)) ? "added" : "absent";
    const gone = replays.filter((replay, at) => {
      const fate = moved[at];
      if (fate === undefined) return false;
      if (fate !== "absent" || fates[at] === undefined) fates[at] = fate;
      return fate !== "held" && (once || this.isLarge(replay));
    });
    const ids = gone.map(({ id }) => id);
    if (!keep && ids.length > 0) await deleteEntries(this.#connection, dlq, ids);
    this.#throwFailure(failure);
  }

  /**
   * Moves some `count` records that need nobody to look at them; what became of them, and where the next
   * sweep starts (undefined: the range has been swept). Only where `inOneStep`. After a lost reply it may
   * be repeated: then it moves others, and nobody knows how many the first one moved.
   */
  async sweep(
    range: IdRange,
    count: number,
    maxReplays: number,
    onSwept: (swept: Swept) => void,
  ): Promise<void> {
    const { dlq } = this.#request;
    const { next, failure, ...counts } = await this.#step((rule) =>
      sweepLetters(this.#connection, dlq, rule, { ...range, count, maxReplays }),
    );
    const passedOver = typeof next === "object";
    onSwept({
      ...counts,
      next: passedOver ? nextId(next.after) : next === "from" ? range.from : undefined,
      leftSome: passedOver,
    });
    this.#throwFailure(failure);
  }

  async #step<T>(step: (rule: ReplayRule) => Promise<T>): Promise<T> {
    const { target, reach } = this.#request;
    const rule = { target, reach: reach(), notes: this.#notes, retentionMs: MEMORY_MS, nowMs: this.#nowMs };
    try {
      return await step(rule);
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  #markRule(): { readonly marks: string; readonly prefix: string } {
    const { target } = this.#request;
    if (this.#memory === undefined)
      throw new UsageError(`${target} can't share its slot with a key that remembers what was replayed`, {
        hint: "replay without --keep and within one slot, or to a stream without braces in its name",
      });
    return { marks: this.#memory.marks, prefix: this.#mark("") };
  }

  /** Its note comes after it: a crash in between forgets how often it was replayed, and nothing else. */
  async #addLarge({ id, fields, replays, deliveries }: Replay): Promise<boolean> {
    const { target } = this.#request;
    const marker = siblingKey(target, `:replayed:${this.#mark(id)}`, this.#connection.cluster);
    const once = { target, marker, ttlMs: MEMORY_MS, entries: [fields] };
    const added = await addOnce(this.#connection, once);
    if (added.outcome === "added" && this.#notes !== undefined)
      await noteAdded(this.#connection, this.#notes, added.id, { replays, deliveries }).catch(() => {});
    return added.outcome === "added";
  }

  /** What a letter is called in the target's marks. One that was kept may be moved later. */
  #mark(id: EntryId | ""): string {
    return `${this.#request.keep ? "kept" : "moved"} ${this.#request.dlq} ${id}`;
  }

  /** The queue has been read without fault, so a wrong type is the target's. */
  #namingTarget(error: unknown): unknown {
    if (!(error instanceof ServerError) || !/^(WRONGTYPE|OOM)$/.test(error.code)) return error;
    return this.#translate(`${error.code} ${error.reply}`);
  }

  /** Throws the error of an XADD that a script came upon half-way. */
  #throwFailure(failure: string | undefined): void {
    if (failure !== undefined) throw this.#translate(failure);
  }

  #translate(reply: string): ServerError {
    return translateReply(reply, { command: "XADD", key: this.#request.target });
  }
}
