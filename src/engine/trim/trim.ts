import { compareIds, type EntryId, nextId, parseEntryId, previousId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { pendingPage } from "../../redis/ops/pending.ts";
import { streamInfo } from "../../redis/ops/info.ts";
import { rangePage } from "../../redis/ops/range.ts";
import { type StalePending, type TrimBound, type TrimmedStep, trimStep } from "../../redis/ops/trim.ts";
import type { ArchiveFile } from "../archive/archive-file.ts";
import { onStream } from "../groups/missing.ts";
import { livedIdleMs } from "../pending/idle.ts";
import { FIRST_ID, LAST_ID } from "../position.ts";
import { SILENT } from "../read/pipelines.ts";
import { readRange } from "../read/range.ts";
import { UnderWay } from "../under-way.ts";
import { type Cut, findCut } from "./cut.ts";

export interface TrimRequest {
  readonly stream: StreamKey;
  readonly cut: Cut;
  /** To the entry, and not only whole nodes. */
  readonly exact: boolean;
  /** Also what some group has not been given or has not acked. */
  readonly force: boolean;
  readonly archive?: ArchiveFile | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((removed: number) => void) | undefined;
}

/** What keeps entries in a stream that were to be trimmed. */
export interface Hold {
  /** The first entry kept. */
  readonly id: EntryId;
  readonly group: GroupName;
  readonly why: TrimBound["why"];
  /** Who has it, for how long; undefined unless it is pending. */
  readonly pending: { readonly consumer: string; readonly idleMs: number | null } | undefined;
}

/** What groups need of what is to be trimmed. */
export interface Needs {
  readonly hold: Hold | undefined;
  readonly stale: readonly StalePending[];
}

export interface Trimmed extends Needs {
  readonly stream: StreamKey;
  readonly removed: number;
  /** How many entries are left. */
  readonly length: number;
  /** The first ID that was asked to be kept. */
  readonly cut: EntryId;
  /** Nothing was removed, although something might have been: it stands in a node with what is kept. */
  readonly leftInNode: boolean;
}

/** How many entries one step may remove: about a millisecond's work. */
const STEP = 10_000;
/** So many steps may be under way where a round trip takes long. */
const MOST_STEPS = 4;

/**
 * Trims one stream step by step. Each step computes anew what the groups need, and a step that is repeated
 * after a lost reply takes nothing that the next one would not. With an archive, a page of entries is on
 * the disk before it goes.
 */
export async function trim(connection: Connection, request: TrimRequest): Promise<Trimmed> {
  const { stream } = request;
  return onStream(connection, stream, undefined, async () => {
    const cut = await findCut(connection, stream, request.cut, request.signal);
    const remove = request.archive ? archiveAndRemove : removeAll;
    const { removed, bound, stale } = await remove(connection, request, cut);
    const hold = await holdAt(connection, stream, bound, cut);
    const { length, firstId } = await streamInfo(connection, stream);
    const first = parseEntryId(firstId ?? "");
    const mayGo = first !== undefined && compareIds(first, hold?.id ?? cut) < 0;
    return {
      stream,
      removed,
      length,
      cut,
      hold,
      stale,
      leftInNode: removed === 0 && mayGo && !request.signal.aborted,
    };
  });
}

/**
 * Trims to an ID or to the newest entries as far as groups allow; gives what held it. The newest are counted
 * on the server, so this is for streams that are not much too long.
 */
export async function trimTo(
  connection: Connection,
  { stream, exact, signal }: Pick<TrimRequest, "stream" | "exact" | "signal">,
  keep: EntryId | { readonly newest: number },
): Promise<Hold | undefined> {
  const how = exact ? "=" : "~";
  for (;;) {
    const { removed, bound, cut } = await step(connection, { stream, force: false }, keep, how);
    if (removed === 0 || signal.aborted) return holdAt(connection, stream, bound, cut);
  }
}

/** Where trimming would stop and why; changes nothing. Without a hold it would go as far as asked. */
export async function findNeeds(
  connection: Connection,
  { stream, force }: Pick<TrimRequest, "stream" | "force">,
  cut: EntryId,
): Promise<Needs> {
  const { bound, stale } = await step(connection, { stream, force }, cut, "?");
  return { hold: await holdAt(connection, stream, bound, cut), stale };
}

/** A bound keeps something only when there are entries between it and what was asked for. */
async function holdAt(
  connection: Connection,
  stream: StreamKey,
  bound: TrimBound | undefined,
  cut: EntryId,
): Promise<Hold | undefined> {
  if (bound === undefined) return undefined;
  const { group, why } = bound;
  const [entry] = await rangePage(connection, stream, { from: bound.id, to: LAST_ID, count: 1 });
  const id = entry && parseEntryId(entry.id);
  if (id === undefined || compareIds(id, cut) >= 0) return undefined;
  if (why !== "pending") return { id, group, why, pending: undefined };
  const [row] = await connection.persist(() => pendingPage(connection, stream, group, bound.id, 1));
  return { id, group, why, pending: row && { consumer: row.consumer, idleMs: livedIdleMs(row, null) } };
}

type Removed = Omit<TrimmedStep, "cut">;

async function removeAll(connection: Connection, request: TrimRequest, cut: EntryId): Promise<Removed> {
  const { exact, signal } = request;
  const steps = new UnderWay<TrimmedStep>(MOST_STEPS);
  let removed = 0;
  try {
    for (;;) {
      while (!steps.isFull) steps.add(step(connection, request, cut, exact ? "=" : "~"));
      const last = await steps.take();
      removed += last.removed;
      request.onProgress?.(removed);
      if (last.removed > 0 && !signal.aborted) continue;
      for (const { removed: more } of await steps.settle()) removed += more;
      return { ...last, removed };
    }
  } finally {
    await steps.settle();
  }
}

/** Goes exactly as far as the archive does: what is in it has gone, but for the last pages of a run that was killed. */
async function archiveAndRemove(
  connection: Connection,
  request: TrimRequest,
  cut: EntryId,
): Promise<Removed> {
  const { stream, archive, signal } = request;
  const { bound, stale } = await step(connection, request, cut, "?");
  const to = previousId(bound?.id ?? cut);
  if (to === undefined) return { removed: 0, bound, stale };
  const remover = new Remover(connection, request);
  try {
    const range = { from: FIRST_ID, to };
    for await (const [batch] of readRange(connection, { stream, range }, { signal, link: SILENT })) {
      const entries = batch?.entries ?? [];
      const last = entries.at(-1);
      const next = last && nextId(last.id);
      if (next === undefined) continue;
      await archive?.append(stream, entries);
      remover.removeBefore(next);
      if (remover.hasStopped || signal.aborted) break;
    }
  } finally {
    await remover.end();
  }
  remover.throwFailure();
  return { bound, stale, ...remover.stop, removed: remover.removed };
}

/**
 * Removes what is in the archive, while the next page is read and archived: what has come meanwhile goes in one go,
 * so that an archive is not slower for each round trip that removing takes.
 */
class Remover {
  readonly #connection: Connection;
  readonly #request: TrimRequest;
  #next: EntryId | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  removed = 0;
  /** What holds the rest: a group has been made, or set back, since the bound was looked at. */
  stop: Pick<Removed, "bound" | "stale"> | undefined;

  constructor(connection: Connection, request: TrimRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  get hasStopped(): boolean {
    return this.stop !== undefined || this.#failure !== undefined;
  }

  /** Everything before the ID stands in the archive. */
  removeBefore(id: EntryId): void {
    this.#next = id;
    this.#running ??= this.#run();
  }

  async end(): Promise<void> {
    await this.#running;
  }

  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #run(): Promise<void> {
    try {
      while (this.#next !== undefined && !this.hasStopped) {
        const next = this.#next;
        this.#next = undefined;
        // Also at a stop, or what is in the archive would still be in the stream.
        const { signal } = new AbortController();
        const exactly = { ...this.#request, exact: true, onProgress: undefined, signal };
        const { removed, bound, stale } = await removeAll(this.#connection, exactly, next);
        this.removed += removed;
        this.#request.onProgress?.(this.removed);
        if (bound !== undefined) this.stop = { bound, stale };
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#running = undefined;
    }
  }
}

function step(
  connection: Connection,
  { stream, force }: Pick<TrimRequest, "stream" | "force">,
  keep: EntryId | { readonly newest: number },
  how: "=" | "~" | "?",
): Promise<TrimmedStep> {
  return trimStep(connection, stream, { keep, how, heedGroups: !force, most: STEP });
}
