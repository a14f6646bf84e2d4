import { ServerError, UsageError } from "../../errors.ts";
import { addLargeOnce } from "../../redis/add-large.ts";
import type { Connection } from "../../redis/connection.ts";
import { translateReply } from "../../redis/errors.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { packReplays, type Replay } from "../../redis/replay-pack.ts";
import { addLettersOnce, moveLetters } from "../../redis/scripts/replay.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/scripts/settle.ts";
import { asText } from "../../redis/value.ts";
import { MEMORY_MS, replayMemory } from "./replay-memory.ts";

export interface MoveRequest {
  readonly dlq: string;
  readonly target: string;
  readonly keep: boolean;
  readonly onUncounted: (reason: string) => void;
}

/**
 * The steps that bring letters from a queue to a stream. Each may be repeated after a lost reply, and by
 * another run at the same time, without adding an entry twice:
 *
 * - In one slot a move is one script (moveLetters); being in the queue is the token.
 * - Across slots, and for a letter with more values than a script can pass:
 *     1. add, named in the target's memory – a crash here: the letter is in the queue, its name keeps the
 *                                            next try from adding it again
 *     2. delete from the queue             – nothing to do again
 * - A letter that is kept is only added, and its name stays, so that no later run adds it again.
 */
export class Mover {
  readonly #connection: Connection;
  readonly #request: MoveRequest;
  /** Undefined when the name allows none, or this user may not use it. */
  #memory: string | undefined;

  constructor(connection: Connection, request: MoveRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#memory = replayMemory(request.target, connection.cluster);
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
    if (!large && !keep && sameSlot(dlq, target, this.#connection.cluster)) return this.#moveHere(replays);
    const added = large ? [await this.#addLarge(first)] : await this.#addOnce(replays);
    if (!keep) await this.#connection.call("XDEL", dlq, ...replays.map(({ id }) => id));
    return added;
  }

  async #moveHere(replays: readonly Replay[]): Promise<boolean[]> {
    const { dlq, target, onUncounted } = this.#request;
    const memory = this.#memory;
    const keys = memory === undefined ? [dlq, target] : [dlq, target, memory];
    const args = [Date.now(), MEMORY_MS, packReplays(replays)];
    try {
      return flags(await this.#connection.run(moveLetters, keys, args));
    } catch (error) {
      if (memory !== undefined && error instanceof ServerError && error.code === "NOPERM") {
        this.#memory = undefined;
        const moved = await this.#moveHere(replays);
        onUncounted(`this user may not write ${memory}`);
        return moved;
      }
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
    const args = [Date.now(), MEMORY_MS, packReplays(replays), this.#name("")];
    try {
      return flags(await this.#connection.run(addLettersOnce, [target, memory], args));
    } catch (error) {
      throw this.#namingTarget(error);
    }
  }

  #addLarge({ id, fields }: Replay): Promise<boolean> {
    const { target } = this.#request;
    const key = siblingKey(target, `:replayed:${this.#name(id)}`, this.#connection.cluster);
    return addLargeOnce(this.#connection, target, { key, ttlMs: MEMORY_MS }, fields);
  }

  /** What a letter is called in the target's memory. One that was kept may be moved later. */
  #name(id: string): string {
    return `${this.#request.keep ? "kept" : "moved"} ${this.#request.dlq} ${id}`;
  }

  /** The queue has been read without fault, so a wrong type is the target's. */
  #namingTarget(error: unknown): unknown {
    if (!(error instanceof ServerError) || !/^(WRONGTYPE|OOM)$/.test(error.code)) return error;
    return translateReply(`${error.code} ${error.reply}`, { command: "XADD", key: this.#request.target });
  }
}

function flags(reply: Parameters<typeof asText>[0]): boolean[] {
  return Array.from(asText(reply), (character) => character === "1");
}
