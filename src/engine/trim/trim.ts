import type { Entry } from "../../entry/entry.ts";
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
const MOST_STEPS = 6;
/** As many go in a step of a server that can't trim by ID, and at least as many in one that has more to do. */
const MANY = 200;
/** So many pages may be in the archive and on their way out of the stream where a round trip takes long. */
const MOST_PAGES = 8;

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
  const send = (): void => steps.add(step(connection, request, cut, exact ? "=" : "~"));
  let removed = 0;
  send();
  try {
    for (;;) {
      const last = await steps.take();
      removed += last.removed;
      request.onProgress?.(removed);
      if (last.removed === 0 || signal.aborted) {
        for (const { removed: more } of await steps.settle()) removed += more;
        return { ...last, removed };
      }
      send();
      // Few went: one more step finds that there are no others.
      while (last.removed >= MANY && !steps.isFull) send();
    }
  } finally {
    await steps.settle();
  }
}

/**
 * Goes exactly as far as the archive does: what is in it has gone, but for the last pages of a run that was killed, or
 * that a group has come in between. Far from the server the next pages are archived while one goes.
 */
async function archiveAndRemove(
  connection: Connection,
  request: TrimRequest,
  cut: EntryId,
): Promise<Removed> {
  const { stream, archive, signal } = request;
  const { bound, stale } = await step(connection, request, cut, "?");
  const to = previousId(bound?.id ?? cut);
  let removed = 0;
  let held: Pick<Removed, "bound" | "stale"> | undefined;
  if (to === undefined) return { removed, bound, stale };
  const going = new UnderWay<Removed>(MOST_PAGES);
  const gone = (page: Removed): void => {
    removed += page.removed;
    request.onProgress?.(removed);
    // A group has been made, or set back, since the bound was looked at.
    if (page.bound !== undefined) held ??= page;
  };
  try {
    const range = { from: FIRST_ID, to };
    for await (const [batch] of readRange(connection, { stream, range }, { signal, link: SILENT })) {
      while (going.isFull) gone(await going.take());
      const entries = batch?.entries ?? [];
      const last = entries.at(-1);
      if (held || !last) break;
      await archive?.append(stream, entries);
      going.add(removeArchived(connection, request, last));
      if (signal.aborted) break;
    }
    while (going.count > 0) gone(await going.take());
  } finally {
    await going.settle();
  }
  return { bound, stale, ...held, removed };
}

/** Removes what is in the archive up to an entry, also at a stop. */
async function removeArchived(connection: Connection, request: TrimRequest, last: Entry): Promise<Removed> {
  const next = nextId(last.id) as EntryId;
  for (let removed = 0; ;) {
    const done = await step(connection, request, next, "=");
    removed += done.removed;
    if (done.removed === 0 || done.bound !== undefined) return { ...done, removed };
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
