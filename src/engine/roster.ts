import type { StreamKey } from "../entry/names.ts";
import { ServerError, StreamctlError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";
import { isTransient } from "../redis/errors.ts";
import { streamInfo } from "../redis/ops/info.ts";
import { formatCount } from "../units.ts";
import { Poll } from "./poll.ts";

/** Finding what patterns match costs a SCAN over all keys: it may take no more than this part of the time. */
const LOOK_EVERY_MS = 2_000;
const LOOKING_SHARE = 1 / 20;
/** So many names are told at once. */
const TOLD = 5;

export interface RosterParts {
  readonly connection: Connection;
  /** The streams of the start. */
  readonly first: readonly StreamKey[];
  /** Streams that were named, and not matched: they never leave. */
  readonly named: ReadonlySet<string>;
  /** What the patterns match now, with what was named. Undefined: there are no patterns, and nothing changes. */
  readonly find: (() => Promise<readonly StreamKey[]>) | undefined;
  readonly notice: (level: "info" | "warn", message: string) => void;
}

/** What whoever reads the streams does when they change. */
export interface RosterFollower {
  /** Makes ready for a stream; false when it can't be read as yet, and is to be asked for again later. */
  admit(stream: StreamKey): Promise<boolean>;
  left(stream: StreamKey): void;
}

/**
 * The streams that a long run reads: those that were named, and what patterns match at the moment. A stream that comes
 * later joins within seconds; one that is gone leaves. Both are said.
 */
export class Roster {
  readonly #parts: RosterParts;
  #streams: readonly StreamKey[];
  #follower: RosterFollower | undefined;
  #poll: Poll<boolean> | undefined;
  /** Streams that could not be admitted, each told of once. */
  #refused = new Set<StreamKey>();

  constructor(parts: RosterParts) {
    this.#parts = parts;
    this.#streams = parts.first;
  }

  /** The streams of the moment: another array after every change. */
  get streams(): readonly StreamKey[] {
    return this.#streams;
  }

  /** True when the streams may change. */
  get mayChange(): boolean {
    return this.#parts.find !== undefined;
  }

  /** Looks again every few seconds from now on, until `stop()`. */
  follow(follower: RosterFollower): void {
    const { find } = this.#parts;
    if (!find || this.#poll) return;
    this.#follower = follower;
    this.#poll = new Poll({
      first: true,
      everyMs: LOOK_EVERY_MS,
      share: LOOKING_SHARE,
      look: async (signal) => {
        await this.#compare(await find(), signal);
        return true;
      },
    });
  }

  stop(): void {
    this.#poll?.stop();
  }

  /** Lets those streams go that are there no longer; true when there was one. */
  async dropGone(): Promise<boolean> {
    if (!this.mayChange) return false;
    return this.#dropGoneOf(this.#streams);
  }

  async #compare(found: readonly StreamKey[], signal: AbortSignal): Promise<void> {
    const now = new Set(found);
    await this.#dropGoneOf(this.#streams.filter((stream) => !now.has(stream)));
    this.#refused = new Set([...this.#refused].filter((stream) => now.has(stream)));
    const known = new Set(this.#streams);
    const joined: StreamKey[] = [];
    for (const stream of found) {
      if (signal.aborted) break;
      if (!known.has(stream) && (await this.#admit(stream))) joined.push(stream);
    }
    if (joined.length === 0) return;
    this.#streams = [...this.#streams, ...joined];
    this.#parts.notice("info", `${listed(joined)} joined`);
  }

  /** What is wrong with one stream does not keep the others from joining. */
  async #admit(stream: StreamKey): Promise<boolean> {
    try {
      return (await this.#follower?.admit(stream)) ?? false;
    } catch (error) {
      if (isTransient(error) || !(error instanceof StreamctlError)) throw error;
      const hint = error.hint === undefined ? "" : ` (${error.hint})`;
      if (!this.#refused.has(stream))
        this.#parts.notice("warn", `${stream} is not read: ${error.message}${hint}`);
      this.#refused.add(stream);
      return false;
    }
  }

  /** A SCAN misses what moves between the nodes of a cluster meanwhile: each is asked for by name before it goes. */
  async #dropGoneOf(streams: readonly StreamKey[]): Promise<boolean> {
    const gone = new Set<StreamKey>();
    for (const stream of streams) {
      if (!this.#parts.named.has(stream) && (await isGone(this.#parts.connection, stream))) gone.add(stream);
    }
    if (gone.size === 0) return false;
    this.#streams = this.#streams.filter((stream) => !gone.has(stream));
    for (const stream of gone) this.#follower?.left(stream);
    this.#parts.notice("info", `${listed([...gone])} left: no longer there`);
    return true;
  }
}

async function isGone(connection: Connection, stream: StreamKey): Promise<boolean> {
  try {
    await streamInfo(connection, stream);
    return false;
  } catch (error) {
    if (error instanceof ServerError) return error.kind === "notFound" || error.code === "WRONGTYPE";
    throw error;
  }
}

function listed(streams: readonly StreamKey[]): string {
  const told = streams.slice(0, TOLD).join(", ");
  return streams.length > TOLD ? `${formatCount(streams.length, "stream")} (${told}, …)` : told;
}
