import { compareIds, previousId } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { ackOwned, type Held, restoreVanishedGroup } from "../../redis/group-steps.ts";
import { asList, asMap, asText } from "../../redis/value.ts";
import { missingGroup } from "../groups/missing.ts";
import type { Roster } from "../roster.ts";
import type { WorkerObserver, WorkerSettings } from "./types.ts";

/** Of more streams than this, those that have left are forgotten. */
const REMEMBERED = 10_000;

/**
 * Makes groups where that was asked for, and makes them again when they vanish while the worker runs:
 * after the last entry that this worker settled, never at `$`, which would skip what came meanwhile, and
 * never at `0`, which would run everything once more.
 */
export class GroupSetup {
  readonly #connection: Connection;
  readonly #settings: WorkerSettings;
  /** What this worker has of a stream: in hand, or waiting for a retry. */
  readonly #held: (stream: string) => readonly Held[];
  readonly #observer: WorkerObserver;
  readonly #roster: Roster | undefined;
  /** Per stream, also one that has left, an ID up to which nothing is left to do as far as this worker knows. */
  readonly #settledUpTo = new Map<string, string>();

  #restoring: Promise<void> | undefined;
  /** What was settled, by stream, while groups were being restored. */
  readonly #settledMeanwhile = new Map<string, string[]>();

  constructor(
    connection: Connection,
    settings: WorkerSettings,
    held: (stream: string) => readonly Held[],
    observer: WorkerObserver,
    roster?: Roster,
  ) {
    this.#roster = roster;
    this.#connection = connection;
    this.#settings = settings;
    this.#held = held;
    this.#observer = observer;
  }

  /** At the start: every group exists, or is made if that was asked for, or this fails with exit 4. */
  async prepare(): Promise<void> {
    const { streams } = this.#settings;
    for (const stream of streams) await this.#prepareOne(stream);
  }

  /** The same for a stream that joins later; one that was read before, and has come anew, gets its group in any case. */
  async join(stream: string): Promise<void> {
    const settled = this.#settledUpTo.get(stream);
    if (settled === undefined) await this.#prepareOne(stream);
    else await this.#restoreIfGone(stream, settled);
    if (this.#settledUpTo.size <= REMEMBERED) return;
    const current = new Set(this.#settings.streams);
    for (const known of this.#settledUpTo.keys()) {
      if (known !== stream && !current.has(known)) this.#settledUpTo.delete(known);
    }
  }

  async #prepareOne(stream: string): Promise<void> {
    const { group, createGroup, groupStart } = this.#settings;
    if (createGroup && (await this.#create(stream, groupStart))) {
      this.#observer.notice("info", `made group ${group} on ${stream} at ${groupStart}`);
    }
    const position = await this.#position(stream);
    if (position === undefined) throw await missingGroup(this.#connection, stream, group);
    this.#settledUpTo.set(stream, position);
  }

  noteSettled(stream: string, id: string): void {
    this.#settledMeanwhile.get(stream)?.push(id);
    const before = this.#settledUpTo.get(stream);
    if (before === undefined || compareIds(id, before) > 0) this.#settledUpTo.set(stream, id);
  }

  /** After NOGROUP: makes the groups that are gone, and pending again what this worker had of them. */
  restore(): Promise<void> {
    this.#restoring ??= this.#restoreAll().finally(() => (this.#restoring = undefined));
    return this.#restoring;
  }

  async #restoreAll(): Promise<void> {
    // A stream that a pattern matched, and that somebody has deleted, is not made again.
    await this.#roster?.dropGone();
    for (const stream of this.#settings.streams) {
      await this.#restoreIfGone(stream, this.#settledUpTo.get(stream) ?? "0-0");
    }
  }

  async #restoreIfGone(stream: string, start: string): Promise<void> {
    const made = await this.#restoreOne(stream, start);
    if (made === undefined) return;
    const { group } = this.#settings;
    this.#observer.notice("warn", `group ${group} on ${stream} had gone: made it again after ${made}`);
    // A stream that was made anew has other entries, whose IDs may be smaller.
    this.#settledUpTo.set(stream, made);
  }

  /** The ID after which the group was made; undefined when it was there. */
  async #restoreOne(stream: string, start: string): Promise<string | undefined> {
    const meanwhile: string[] = [];
    this.#settledMeanwhile.set(stream, meanwhile);
    try {
      const held = this.#held(stream);
      const made = await restoreVanishedGroup(this.#connection, stream, this.#settings, start, held);
      // Their verdicts came to Redis first, and then they were made pending again.
      if (meanwhile.length > 0) await ackOwned(this.#connection, stream, this.#settings, meanwhile, false);
      return made;
    } finally {
      this.#settledMeanwhile.delete(stream);
    }
  }

  /** False when the group is there already. */
  async #create(stream: string, start: string): Promise<boolean> {
    try {
      await this.#connection.call("XGROUP", "CREATE", stream, this.#settings.group, start, "MKSTREAM");
      return true;
    } catch (error) {
      if (error instanceof ServerError && error.code === "BUSYGROUP") return false;
      throw error;
    }
  }

  /** Where the group stands: its last-delivered ID, or before its oldest pending entry. Undefined: no such group. */
  async #position(stream: string): Promise<string | undefined> {
    const { group } = this.#settings;
    try {
      const [count, oldest] = asList(await this.#connection.call("XPENDING", stream, group));
      if (typeof count === "number" && count > 0) return previousId(asText(oldest)) ?? "0-0";
      for (const row of asList(await this.#connection.call("XINFO", "GROUPS", stream))) {
        const info = asMap(row);
        if (asText(info.get("name")) === group) return asText(info.get("last-delivered-id"));
      }
      return undefined;
    } catch (error) {
      if (error instanceof ServerError && error.kind === "notFound") return undefined;
      throw error;
    }
  }
}
