import { compareIds, type EntryId, nextId } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { isDenied, isTransient } from "../../redis/errors.ts";
import { countAround, type CountedSides, countQuestion, type CountSides } from "../../redis/ops/count.ts";
import type { Question } from "../../redis/ops/ask.ts";
import { type Count, RangeCounter } from "./count-between.ts";
import type { FoundGroup } from "./find-groups.ts";

/**
 * Counts what a group has not been given, step by step: the entries after its position and, at the same
 * time, those up to it; whichever side is through first decides. What is added after the stream was found
 * does not count. Works for a group with entries before and after its position, see provenLag.
 */
export class GroupCounter {
  readonly found: FoundGroup;
  /** What made counting impossible: the stream went, or became something else. */
  error: ServerError | undefined;
  /** The first entry the group has not been given; undefined before the first step. */
  oldestId: EntryId | undefined;
  #ahead = 0;
  #aheadFrom: string | undefined;
  #behind = 0;
  /** Undefined: that side has nothing more to tell. */
  #behindFrom: string | undefined = "-";
  /** How many entries there were up to the last that counts, when the counting began. */
  #length: number | undefined;
  #exact: number | undefined;
  #most = Number.POSITIVE_INFINITY;
  #started = false;
  /** Set when scripts are denied to this user: then the entries themselves are read, from the position on. */
  #entries: RangeCounter | undefined;

  constructor(found: FoundGroup) {
    this.found = found;
    this.#aheadFrom = nextId(found.group.lastDeliveredId);
  }

  /** A first step has been made. */
  get started(): boolean {
    return this.#started || this.error !== undefined;
  }

  get done(): boolean {
    return this.#exact !== undefined || this.error !== undefined;
  }

  get count(): Count {
    const exact = this.#exact;
    return exact === undefined ? { count: this.#ahead, exact: false } : { count: exact, exact: true };
  }

  /** What the count is not above, as far as that is known. */
  get most(): number {
    return this.#exact ?? this.#most;
  }

  /** The first step as a question, for many groups at once. Without an answer of use the next step repeats it. */
  question(most: number): Question {
    return countQuestion(this.found.stream, this.#sides(most), (answer) => {
      if (!(answer instanceof ServerError)) this.#take(answer);
      else if (answer.code !== "NOSCRIPT" && answer.code !== "NOPERM") this.error = answer;
    });
  }

  /** Counts about `most` entries more on each side. */
  async step(connection: Connection, most: number): Promise<void> {
    try {
      if (this.#entries) await this.#read(connection, this.#entries);
      else this.#take(await countAround(connection, this.found.stream, this.#sides(most)));
    } catch (error) {
      if (!(error instanceof ServerError) || isTransient(error)) throw error;
      if (!isDenied(error) || this.#entries) this.error = error;
      else {
        this.#entries = new RangeCounter(this.found.stream, this.#aheadFrom, this.#lastId);
        await this.step(connection, most);
      }
    }
  }

  get #lastId(): string {
    return this.found.info.lastId ?? "+";
  }

  #sides(most: number): CountSides {
    const { lastDeliveredId } = this.found.group;
    return {
      most,
      aheadFrom: this.#aheadFrom,
      aheadTo: this.#lastId,
      behindFrom: this.#behindFrom,
      behindTo: lastDeliveredId,
    };
  }

  #take({ ahead, aheadFrom, aheadFirst, behind, behindFrom, length, firstId }: CountedSides): void {
    const began = !this.#started;
    this.#started = true;
    this.oldestId ??= aheadFirst;
    this.#ahead += ahead;
    this.#aheadFrom = aheadFrom;
    const bothSides = this.#behindFrom !== undefined;
    this.#behind += behind;
    this.#behindFrom = behindFrom;
    if (began) this.#length = length;
    // An entry that was removed between two steps may or may not have been counted among those behind.
    const untouched = length !== undefined && length === this.#length;
    if (bothSides && untouched) this.#most = length - this.#behind;
    else this.#most = Number.POSITIVE_INFINITY;
    if (bothSides && !untouched) this.#behindFrom = undefined;
    if (this.#aheadFrom === undefined) this.#exact = began ? this.#ahead : this.#leftAhead(length, firstId);
    else if (bothSides && behindFrom === undefined && untouched) this.#exact = length - this.#behind;
  }

  /** The count of several steps, or what is left where a trim has come past the group meanwhile. */
  #leftAhead(length: number | undefined, firstId: EntryId | undefined): number {
    if (length === undefined) return this.#ahead;
    const overtaken = firstId === undefined || compareIds(firstId, this.found.group.lastDeliveredId) > 0;
    return overtaken ? length : this.#ahead;
  }

  async #read(connection: Connection, entries: RangeCounter): Promise<void> {
    await entries.step(connection);
    this.#started = true;
    this.#ahead = entries.count;
    this.oldestId = entries.firstId;
    if (entries.done) this.#exact = this.#ahead;
  }
}
