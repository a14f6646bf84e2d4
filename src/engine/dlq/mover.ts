import { type EntryId, idMs, nextId } from "../../entry/id.ts";
import { ServerError, UsageError } from "../../errors.ts";
import { addLargeOnce } from "../../redis/add-large.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { packReplays, type Replay } from "../../redis/replay-pack.ts";
import { addLettersOnce, moveLetters, sweepLetters } from "../../redis/scripts/replay.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/scripts/settle.ts";
import type { Script } from "../../redis/script.ts";
import { type Arg, asList, asNumber, asText, type Value } from "../../redis/value.ts";
import type { IdRange } from "../position.ts";
import { MEMORY_MS, replayMemory } from "./replay-memory.ts";

export interface MoveRequest {
  readonly dlq: string;
  readonly target: string;
  readonly keep: boolean;
  readonly onUncounted: (reason: string) => void;
}

export interface Swept {
  readonly moved: number;
  readonly next: EntryId | undefined;
  /** Records were passed over that somebody has to look at. */
  readonly leftSome: boolean;
}

/**
 * The steps that bring letters from a queue to a stream. Each may be repeated after a lost reply, and by
 * another run at the same time, without adding an entry twice:
 *
 * - In one slot a move is one script (moveLetters); being in the queue is the token.
 * - Across slots, and for a letter with more values than a script can pass:
 *     1. add, and mark beside the target – a crash here: the letter is in the queue, its mark keeps the
 *                                          next try from adding it again
 *     2. delete from the queue           – a crash here: done
 * - A letter that is kept is only added, and its mark keeps later runs from adding it again.
 */
export class Mover {
  readonly #connection: Connection;
  readonly #request: MoveRequest;
  readonly #memory: { readonly notes: string; readonly marks: string } | undefined;
  /** Undefined when the target's name allows none, or they can't be written. */
  #notes: string | undefined;

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
    const { dlq, keep, onUncounted } = this.#request;
    const call: Connection["call"] = (...args) =>
      this.#connection.persist(() => this.#connection.call(...args), { signal });
    if (!keep) await call("XDEL", dlq, "0-0");
    if (!this.inOneStep && this.#memory) await call("ZREM", this.#memory.marks, "");
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

  /** True for a letter that goes alone. */
  isLarge({ fields }: Replay): boolean {
    return fields.length > MAX_SCRIPT_VALUES;
  }

  /** For each letter whether it was this call that replayed it. */
  async move(replays: readonly Replay[]): Promise<boolean[]> {
    const { dlq, target, keep } = this.#request;
    const [first] = replays;
    const large = first !== undefined && this.isLarge(first);
    if (!large && this.inOneStep) {
      const args = [packReplays(replays), MEMORY_MS];
      return flags(await this.#noted(moveLetters, dlq, target, args));
    }
    const added = large ? [await this.#addLarge(first)] : await this.#addOnce(replays);
    if (!keep) await this.#connection.call("XDEL", dlq, ...replays.map(({ id }) => id));
    return added;
  }

  /**
   * Moves some `count` records that need nobody to look at them; how many these were, and where the next
   * sweep starts (undefined: the range has been swept). Only where `inOneStep`. After a lost reply it may
   * be repeated: then it moves others, and nobody knows how many the first one moved.
   */
  async sweep(range: IdRange, count: number, most: number): Promise<Swept> {
    const args = [range.from, range.to, count, MEMORY_MS, most];
    const reply = await this.#noted(sweepLetters, this.#request.dlq, this.#request.target, args);
    const [moved, goOn] = asList(reply);
    const after = goOn === null ? undefined : asText(goOn);
    const next = after === undefined ? undefined : after === "" ? range.from : nextId(after);
    return { moved: asNumber(moved), next, leftSome: after !== undefined && after !== "" };
  }

  /** Runs a script on two keys and the notes, if there are any. */
  async #noted(script: Script, first: string, second: string, args: readonly Arg[]): Promise<Value> {
    const keys = this.#notes === undefined ? [first, second] : [first, second, this.#notes];
    try {
      return await this.#connection.run(script, keys, args);
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  async #addOnce(replays: readonly Replay[]): Promise<boolean[]> {
    const { target } = this.#request;
    const memory = this.#memory;
    if (memory === undefined)
      throw new UsageError(`${target} can't share its slot with a key that remembers what was replayed`, {
        hint: "replay without --keep and within one slot, or to a stream without braces in its name",
      });
    const args = [packReplays(replays), MEMORY_MS, this.#mark(""), Date.now()];
    return flags(await this.#noted(addLettersOnce, target, memory.marks, args));
  }

  /** Its note comes after it: a crash in between forgets how often it was replayed, and nothing else. */
  async #addLarge({ id, fields, replays }: Replay): Promise<boolean> {
    const { target } = this.#request;
    const key = siblingKey(target, `:replayed:${this.#mark(id)}`, this.#connection.cluster);
    const added = await addLargeOnce(this.#connection, target, { key, ttlMs: MEMORY_MS }, fields);
    if (added !== undefined && this.#notes !== undefined) {
      const note = `${added} ${added} ${replays}`;
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
    return translateReply(`${error.code} ${error.reply}`, { command: "XADD", key: this.#request.target });
  }
}

function flags(reply: Value): boolean[] {
  return Array.from(asText(reply), (character) => character === "1");
}
