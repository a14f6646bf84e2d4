import { type EntryId, idMs, nextId } from "../../entry/id.ts";
import { ServerError, UsageError } from "../../errors.ts";
import { addLargeOnce } from "../../redis/add-large.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied, translateReply } from "../../redis/errors.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { packReplays, type Replay } from "../../redis/replay-pack.ts";
import { addLettersOnce, moveLetters, planLetters, sweepLetters } from "../../redis/scripts/replay.ts";
import { type Fate, Reach, readFates } from "../../redis/scripts/replay-fate.ts";
import { dayOf } from "../../redis/scripts/replay-notes.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import type { Script } from "../../redis/script.ts";
import { type Arg, asList, asNumber, asText, type Value } from "../../redis/value.ts";
import { groupInfos } from "../../redis/ops/info.ts";
import { explain } from "../groups/missing.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import type { IdRange } from "../position.ts";
import { MEMORY_MS, replayMemory } from "./replay-memory.ts";

export interface MoveRequest {
  readonly dlq: string;
  readonly target: string;
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
export async function groupNames(connection: Connection, stream: string): Promise<string[]> {
  try {
    return (await groupInfos(connection, stream)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return [];
    throw await explain(connection, stream, undefined, error);
  }
}

/** The commands on the target besides XADD, in forms that do nothing: the server looks at rights first. */
const REVIVING: readonly (readonly string[])[] = [
  ["XRANGE", "none", "none"],
  ["XPENDING", ""],
  ["XCLAIM", "", "", "none", "none"],
];

/**
 * The steps that replay letters of a queue: the original is made pending again for the group it failed in, or is
 * added to a stream anew (see redis/scripts/replay.ts). Each may be repeated after a lost reply, and by another run
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
    const call: Connection["call"] = (...args) =>
      this.#connection.persist(() => this.#connection.call(...args), { signal });
    if (!keep) await call("XDEL", dlq, "0-0");
    if (reach() !== Reach.anew && (await groupNames(this.#connection, target)).length > 0) {
      for (const [command = "", ...args] of REVIVING)
        await call(command, target, ...args).catch((error: unknown) => {
          if (!(error instanceof ServerError) || isDenied(error)) throw error;
        });
    }
    if (!this.inOneStep && this.#memory) await call("ZREM", this.#memory.marks, "");
    await this.#readClock();
    const notes = this.#notes;
    if (notes === undefined) return;
    try {
      await call("ZADD", notes, "XX", 0, "");
      await call("ZREMRANGEBYSCORE", notes, "(0", "(0");
      await call("PEXPIRE", notes, MEMORY_MS);
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
      return readFates(
        asText(await this.#connection.run(planLetters, [target], [reach(), packReplays(replays)])),
      );
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  /**
   * Writes into `fates` what has become of each letter, also of those that were replayed before a failure. In a
   * repeat, what this call has replayed before is absent; it stays what it was.
   */
  async move(replays: readonly Replay[], fates: Fate[]): Promise<void> {
    const { dlq, target, keep } = this.#request;
    const once = keep || !this.inOneStep;
    const reply = once
      ? await this.#addOnce(replays)
      : await this.#run(moveLetters, dlq, target, [packReplays(replays)]);
    const [answers, failure] = asList(reply);
    const moved = readFates(asText(answers));
    const [first] = replays;
    if (first && moved[0] === "large") moved[0] = (await this.#addLarge(first)) ? "added" : "absent";
    const gone = replays.filter((replay, at) => {
      const fate = moved[at];
      if (fate === undefined) return false;
      if (fate !== "absent" || fates[at] === undefined) fates[at] = fate;
      return fate !== "held" && (once || this.isLarge(replay));
    });
    if (!keep && gone.length > 0) await this.#connection.call("XDEL", dlq, ...gone.map(({ id }) => id));
    this.#throwFailure(failure);
  }

  /**
   * Moves some `count` records that need nobody to look at them; what became of them, and where the next
   * sweep starts (undefined: the range has been swept). Only where `inOneStep`. After a lost reply it may
   * be repeated: then it moves others, and nobody knows how many the first one moved.
   */
  async sweep(range: IdRange, count: number, most: number, onSwept: (swept: Swept) => void): Promise<void> {
    const { dlq, target } = this.#request;
    const reply = await this.#run(sweepLetters, dlq, target, [range.from, range.to, count, most]);
    const [added, revived, awaited, goOn, failure] = asList(reply);
    const after = goOn === null ? undefined : asText(goOn);
    onSwept({
      added: asNumber(added),
      revived: asNumber(revived),
      awaited: asNumber(awaited),
      next: after === undefined ? undefined : after === "" ? range.from : nextId(after),
      leftSome: after !== undefined && after !== "",
    });
    this.#throwFailure(failure);
  }

  /** Runs a script on two keys and the notes, if there are any. */
  async #run(script: Script, first: string, second: string, args: readonly Arg[]): Promise<Value> {
    const keys = this.#notes === undefined ? [first, second] : [first, second, this.#notes];
    const head = [this.#request.reach(), MEMORY_MS, dayOf(this.#nowMs)];
    try {
      return await this.#connection.run(script, keys, [...head, ...args]);
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  #addOnce(replays: readonly Replay[]): Promise<Value> {
    const { target } = this.#request;
    const memory = this.#memory;
    if (memory === undefined)
      throw new UsageError(`${target} can't share its slot with a key that remembers what was replayed`, {
        hint: "replay without --keep and within one slot, or to a stream without braces in its name",
      });
    const args = [packReplays(replays), this.#mark(""), this.#nowMs];
    return this.#run(addLettersOnce, target, memory.marks, args);
  }

  /** Its note comes after it: a crash in between forgets how often it was replayed, and nothing else. */
  async #addLarge({ id, fields, replays, deliveries }: Replay): Promise<boolean> {
    const { target } = this.#request;
    const key = siblingKey(target, `:replayed:${this.#mark(id)}`, this.#connection.cluster);
    const added = await addLargeOnce(this.#connection, target, { key, ttlMs: MEMORY_MS }, fields);
    if (added !== undefined && this.#notes !== undefined) {
      const note = `${added} ${added} ${replays} ${deliveries}`;
      await this.#connection.call("ZADD", this.#notes, idMs(added), note).catch(() => {});
    }
    return added !== undefined;
  }

  /** What a letter is called in the target's marks. One that was kept may be moved later. */
  #mark(id: string): string {
    return `${this.#request.keep ? "kept" : "moved"} ${this.#request.dlq} ${id}`;
  }

  /** The queue has been read without fault, so a wrong type is the target's. */
  #namingTarget(error: unknown): unknown {
    if (!(error instanceof ServerError) || !/^(WRONGTYPE|OOM)$/.test(error.code)) return error;
    return this.#translate(`${error.code} ${error.reply}`);
  }

  /** Throws the error of an XADD that a script came upon half-way. */
  #throwFailure(failure: Value | undefined): void {
    if (failure !== null && failure !== undefined) throw this.#translate(asText(failure));
  }

  #translate(reply: string): ServerError {
    return translateReply(reply, { command: "XADD", key: this.#request.target });
  }
}
