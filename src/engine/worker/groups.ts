import { compareIds, type EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { missingGroup } from "../groups/missing.ts";
import { makeMissing } from "../groups/start.ts";
import type { Roster } from "../roster.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** Of more streams than this, those that have left are forgotten. */
const REMEMBERED = 10_000;

/** A step that made pending again what this worker has of a stream. */
export interface MadePending {
  /** When it was answered, by performance.now(). */
  readonly at: number;
  /** The group had been destroyed. */
  readonly destroyed: boolean;
}

/**
 * Makes groups where that was asked for, and makes them again when they vanish while the worker runs: after the last
 * entry that this worker was given, never at `$`, which would skip what came meanwhile, and never at `0`, which would
 * run everything once more. What this worker had of a group, or of a consumer that was deleted, is made pending
 * again. Every worker does so when it meets that: the first one makes the group, the others move it on to where they
 * were.
 */
export class Groups {
  readonly #streams: Streams;
  readonly #caller: Caller;
  readonly #settings: WorkerSettings;
  readonly #observer: WorkerObserver;
  readonly #roster: Roster | undefined;
  /** Per stream, also one that has left, an ID up to which everything has been delivered, as far as this worker knows. */
  readonly #givenUpTo = new Map<StreamKey, string>();

  constructor(
    streams: Streams,
    caller: Caller,
    settings: WorkerSettings,
    observer: WorkerObserver,
    roster?: Roster,
  ) {
    this.#roster = roster;
    this.#streams = streams;
    this.#caller = caller;
    this.#settings = settings;
    this.#observer = observer;
  }

  /** At the start: every group exists, or is made if that was asked for, or this fails with exit 4. */
  async prepare(): Promise<void> {
    const { streams } = this.#settings;
    for (const stream of streams) await this.prepareOne(stream);
  }

  /** Whether a stream was read before. */
  knows(stream: StreamKey): boolean {
    return this.#givenUpTo.has(stream);
  }

  /** Where those that have left are too many, they are forgotten; `stream` is about to join. */
  forgetLeft(stream: StreamKey): void {
    if (this.#givenUpTo.size <= REMEMBERED) return;
    const current = new Set(this.#settings.streams);
    for (const known of this.#givenUpTo.keys()) {
      if (known !== stream && !current.has(known)) this.#givenUpTo.delete(known);
    }
  }

  async prepareOne(stream: StreamKey): Promise<void> {
    const { group, createAt } = this.#settings;
    const notice = this.#observer.notice.bind(this.#observer);
    await makeMissing(this.#caller, this.#streams.ensureGroup, stream, group, { createAt, notice });
    const position = await this.#streams.groupPosition(stream, group);
    if (position === undefined) throw await missingGroup(this.#caller, stream, group);
    await this.#settings.beginHolding?.(stream);
    this.#givenUpTo.set(stream, position);
  }

  async exists(stream: StreamKey): Promise<boolean> {
    return (await this.#streams.groupPosition(stream, this.#settings.group)) !== undefined;
  }

  noteGiven(stream: StreamKey, id: EntryId): void {
    const before = this.#givenUpTo.get(stream);
    if (before === undefined || compareIds(id, before) > 0) this.#givenUpTo.set(stream, id);
  }

  /**
   * Whether the group of a stream may be made again, which is `wanted` when it has gone. A stream that a pattern matched,
   * and that somebody has deleted, is not made again.
   */
  async mayMake(stream: StreamKey, wanted: boolean): Promise<boolean> {
    if (wanted && this.#roster?.mayChange && !(await this.exists(stream))) await this.#roster.dropGone();
    return wanted && this.#settings.streams.includes(stream);
  }

  /** Makes pending again what this worker had of a stream. `make`: first the group, when it has gone. */
  async makePending(stream: StreamKey, make: boolean, held: readonly Held[]): Promise<MadePending> {
    const { group, consumer } = this.#settings;
    const start = make ? (this.#givenUpTo.get(stream) ?? "0-0") : undefined;
    const { made, position, entries } = await this.#streams.restoreGroup(stream, this.#settings, start, held);
    const at = performance.now();
    // A stream that was made anew has other entries, whose IDs may be smaller.
    if (position !== undefined) this.#givenUpTo.set(stream, position);
    const again = `${entries} ${entries === 1 ? "entry is" : "entries are"} pending again`;
    if (made) {
      this.#observer.notice("warn", `group ${group} on ${stream} had gone: made it again after ${position}`);
    } else if (entries > 0)
      this.#observer.notice("warn", `${stream}: consumer ${consumer} of ${group} had been deleted: ${again}`);
    return { at, destroyed: position !== undefined };
  }
}
