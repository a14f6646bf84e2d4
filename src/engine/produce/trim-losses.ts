import { compareIds } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { ask } from "../../redis/ops/ask.ts";
import { countAll } from "../lag/count-all.ts";
import type { Count } from "../lag/count-between.ts";
import { type Asker, type FoundGroup, findGroups } from "../lag/find-groups.ts";
import { provenLag } from "../lag/proven-lag.ts";

/** What trimming took from a group that had not been given it. */
export interface UnreadLoss {
  readonly stream: StreamKey;
  readonly group: GroupName;
  readonly entries: number;
  /** It may be more. */
  readonly atLeast: boolean;
}

const EVERY_MS = 5_000;
/** A longer lag at the beginning is counted no further: then as much was lost at least. */
const COUNT_LIMIT = 100_000;

interface Start {
  readonly found: FoundGroup;
  readonly lag: Count;
}

/**
 * Looks whether the trimming of a run has overtaken groups: then all that is left in the stream is still
 * to be given to them, and what is missing of what was to be given has gone. It looks before the run, now
 * and then, and at its end.
 */
export class LossWatch {
  readonly #connection: Connection;
  readonly #streams: readonly StreamKey[];
  readonly #signal: AbortSignal;
  readonly #written: (index: number) => number;
  readonly #onLoss: (loss: UnreadLoss) => void;
  readonly #asker: Asker;
  #starts: ReadonlyMap<string, Start> = new Map();
  #told = new Set<string>();
  #lookedAt = Number.POSITIVE_INFINITY;

  /** `written`: how many entries the run has added to the stream of that index. `onLoss` hears of each group once. */
  constructor(
    connection: Connection,
    streams: readonly StreamKey[],
    options: {
      readonly signal: AbortSignal;
      readonly written: (index: number) => number;
      readonly onLoss: (loss: UnreadLoss) => void;
    },
  ) {
    this.#connection = connection;
    this.#streams = streams;
    this.#signal = options.signal;
    this.#written = options.written;
    this.#onLoss = options.onLoss;
    this.#asker = (questions) => ask(connection, undefined, questions);
  }

  async start(): Promise<void> {
    const groups = await this.#find();
    const request = { named: new Set<string>(), countLimit: COUNT_LIMIT, signal: this.#signal };
    const counts = await countAll(this.#connection, this.#asker, groups, request);
    this.#starts = new Map(
      groups.flatMap((found, index) => {
        const lag = counts[index];
        // A group that was set ahead is not to be given what comes before that.
        const ahead = compareIds(found.group.lastDeliveredId, found.info.lastGeneratedId) > 0;
        return lag && !ahead ? [[keyOf(found), { found, lag }]] : [];
      }),
    );
    this.#lookedAt = performance.now();
  }

  async afterBatch(): Promise<void> {
    if (this.#starts.size > 0 && performance.now() - this.#lookedAt > EVERY_MS) await this.look();
  }

  async look(): Promise<void> {
    if (this.#starts.size === 0) return;
    this.#lookedAt = performance.now();
    for (const now of await this.#find()) {
      const key = keyOf(now);
      const start = this.#starts.get(key);
      if (start === undefined || this.#told.has(key)) continue;
      const loss = lossOf(start, now, this.#written(this.#streams.indexOf(now.stream)));
      if (loss === undefined) continue;
      this.#told.add(key);
      this.#onLoss(loss);
    }
  }

  /** Who may not see the groups, or can't now, is told nothing of them: adding entries goes on. */
  async #find(): Promise<FoundGroup[]> {
    try {
      return await findGroups(this.#connection, this.#asker, this.#streams, { named: new Set() });
    } catch (error) {
      if (error instanceof StreamctlError) return [];
      throw error;
    }
  }
}

/** What was to be given at the start and was added since, less what was given and what is left. */
function lossOf({ found, lag }: Start, now: FoundGroup, written: number): UnreadLoss | undefined {
  // Anything else than all or nothing of what is left to be given: the group was not overtaken.
  const left = provenLag(now.info, now.group);
  const given = delivered(found, now);
  if (left === undefined || given === undefined) return undefined;
  const [before, after] = [found.info.entriesAdded, now.info.entriesAdded];
  const counted = before !== undefined && after !== undefined;
  const entries = lag.count + (counted ? after - before : written) - given - left;
  if (entries <= 0) return undefined;
  const atLeast = !lag.exact || !counted || given > 0;
  return { stream: now.stream, group: now.group.name, entries, atLeast };
}

/** Undefined where the server did not count it. */
function delivered(before: FoundGroup, now: FoundGroup): number | undefined {
  if (before.group.lastDeliveredId === now.group.lastDeliveredId) return 0;
  const [earlier, later] = [before.group.entriesRead, now.group.entriesRead];
  return earlier === null || later === null ? undefined : later - earlier;
}

function keyOf({ stream, group }: FoundGroup): string {
  return JSON.stringify([stream, group.name]);
}
