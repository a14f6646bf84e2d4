import type { Context } from "../../context.ts";
import { type LetterRequest, letterPages, namedLetters } from "../../engine/dlq/list.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import { letterWindow } from "../../engine/dlq/window.ts";
import { noStream, streamLength } from "../../engine/groups/missing.ts";
import { type IdRange, lastGeneratedId } from "../../engine/position.ts";
import type { JudgeOrigin } from "../../engine/claim/id-source.ts";
import { compareIds, type EntryId, parseEntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { StreamctlError, UsageError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { formatCount } from "../../units.ts";
import { givenIds, Rejects } from "../id-arguments.ts";
import { areNarrowed, type LetterFlags, type SelectionFlags } from "./letter-flags.ts";
import { letterFilter, queueOf } from "./queue.ts";

/** Letters that were named: IDs that are one each, in the order given. */
export interface NamedLetters {
  readonly kind: "named";
  readonly ids: readonly EntryId[];
  /** Lines of stdin that are no IDs; they have been told. */
  readonly badLines: number;
}

/** What the command line says: these letters, those that fit the filters (or all), or nothing. */
type Choice = NamedLetters | { kind: "filtered" } | { kind: "none" };

/** Letters that are named are dealt with oldest first, as those are that filters choose. */
export async function readChoice(
  context: Context,
  stream: StreamKey,
  args: readonly string[],
  flags: SelectionFlags,
): Promise<Choice> {
  if (args.length === 0) return flags.all || areNarrowed(flags) ? { kind: "filtered" } : { kind: "none" };
  const named = await readNames(context, stream, args, flags);
  return { ...named, ids: named.ids.toSorted((a, b) => compareIds(a, b)) };
}

/** More IDs than this are not held in memory. */
const MOST_NAMED = 100_000;

/** The IDs that are the arguments, or with `-` the lines of stdin, which may be rows of dlq list. */
export async function readNames(
  context: Context,
  stream: StreamKey,
  args: readonly string[],
  { dlq }: Pick<LetterFlags, "dlq">,
): Promise<NamedLetters> {
  if (args.includes("-") && args.length > 1)
    throw new UsageError("- reads all IDs from stdin: give no others");
  for (const arg of args) {
    if (arg !== "-" && (!arg.includes("-") || parseEntryId(arg) === undefined))
      throw new UsageError(`${arg} is not an entry ID like 1694012345678-0`);
  }
  const rejects = new Rejects(context);
  const ids = new Set<EntryId>();
  for await (const some of givenIds(context, args, rejects, ofQueue(queueOf(context, stream, dlq)))) {
    // As a piece of its line's text an ID would keep all of that text in memory.
    for (const id of some) ids.add(Buffer.from(id, "latin1").toString("latin1") as EntryId);
    if (ids.size > MOST_NAMED)
      throw new UsageError(`more than ${MOST_NAMED} IDs on stdin: nothing was changed`, {
        hint: "choose letters by filters",
      });
  }
  rejects.finish();
  return { kind: "named", ids: [...ids], badLines: rejects.count };
}

/** A row of dlq list names its queue; any other row of an entry stands for a letter only if it is the queue's own. */
function ofQueue(queue: string): JudgeOrigin {
  return ({ dlq, stream }) => {
    if (dlq !== undefined) return dlq === queue ? undefined : `queue ${dlq}, not ${queue}`;
    return stream === undefined || stream === queue ? undefined : `stream ${stream}, not ${queue}`;
  };
}

/** The letters that a command is about. They can be read more than once. */
export interface Selection {
  /** The dead-letter queue. */
  readonly key: StreamKey;
  /** How many records the queue holds. */
  readonly length: number;
  /** How many letters there are, when that is known before they are read. */
  readonly total: number | undefined;
  /** Set when every letter in this part of the queue is wanted, and nobody said what layout they have. */
  readonly everything: IdRange | undefined;
  /** Named IDs that the last reading did not find. */
  readonly missing: readonly string[];
  /** Lines of stdin that named none. */
  readonly badLines: number;
  pages(): AsyncIterable<readonly DeadLetter[]>;
  /** The same, of letters that may be gone by now; `missing` stays what it was. */
  pagesLeft(): AsyncIterable<readonly DeadLetter[]>;
}

/**
 * Opens the queue of a stream and gives what was chosen of it. Letters that come in later are not part of
 * it: what is replayed and fails again must not be replayed for ever.
 */
export async function selectLetters(
  context: Context,
  connection: Connection,
  stream: StreamKey,
  flags: Partial<LetterFlags>,
  choice: Exclude<Choice, { kind: "none" }>,
): Promise<Selection> {
  const key = queueOf(context, stream, flags.dlq);
  const length = await queueLength(context, connection, stream, key);
  const { layout } = flags;
  if (choice.kind === "named") {
    const missing: string[] = [];
    const named = (onMissing: (id: string) => void): AsyncIterable<readonly DeadLetter[]> =>
      namedLetters(connection, key, choice.ids, { layout, onMissing, signal: context.stop });
    return {
      key,
      length,
      total: choice.ids.length,
      everything: undefined,
      missing,
      badLines: choice.badLines,
      pages() {
        missing.length = 0;
        return named((id) => missing.push(id));
      },
      pagesLeft: () => named(() => {}),
    };
  }
  const { range: asked, ...failed } = await letterWindow(connection, key, flags);
  const last = await lastGeneratedId(connection, key);
  const range = asked && { from: asked.from, to: compareIds(asked.to, last) < 0 ? asked.to : last };
  const wholeQueue = !areNarrowed(flags);
  const filter = letterFilter(context, stream, flags);
  const request: Omit<LetterRequest, "range"> = {
    ...filter,
    ...failed,
    key,
    layout,
    oldestFirst: true,
    limit: flags.limit,
    signal: context.stop,
  };
  const pages = (): AsyncIterable<readonly DeadLetter[]> =>
    range ? letterPages(connection, { ...request, range }) : NOTHING;
  return {
    key,
    length,
    total: wholeQueue ? length : undefined,
    everything: wholeQueue && filter.stream === undefined && layout === undefined ? range : undefined,
    missing: [],
    badLines: 0,
    pages,
    pagesLeft: pages,
  };
}

const NOTHING: AsyncIterable<DeadLetter[]> = { [Symbol.asyncIterator]: () => ({ next: nothingMore }) };

function nothingMore(): Promise<IteratorResult<DeadLetter[]>> {
  return Promise.resolve({ done: true, value: undefined });
}

/** How many letters were chosen; reads them all. */
export async function countLetters(selection: Selection): Promise<number> {
  let count = 0;
  for await (const page of selection.pages()) count += page.length;
  return count;
}

/** True when not all that was named is there, after saying what is not. Fails with exit 4 when nothing is. */
export function reportMissing(context: Context, { key, missing, total, badLines }: Selection): boolean {
  if (missing.length === 0 && badLines === 0) return false;
  const names = missing.slice(0, 10).join(" ") + (missing.length > 10 ? " …" : "");
  const message = missing.length > 0 ? `not in ${key}: ${names}` : "stdin names no entry";
  if (missing.length === total) throw new StreamctlError("notFound", message);
  if (missing.length > 0) context.log.warn(message);
  return true;
}

/** Said where no letter is found: that there are none, or that none of those that are there was meant. */
export function noLetters(key: StreamKey, length: number): string {
  return length === 0
    ? `no dead letters in ${key}`
    : `none of ${formatCount(length, "dead letter")} in ${key} fits`;
}

/** A queue comes into being with its first dead letter, so only a stream that isn't there either is an error. */
export async function queueLength(
  context: Context,
  connection: Connection,
  stream: StreamKey,
  key: StreamKey,
): Promise<number> {
  const length = await streamLength(connection, key);
  if (length !== undefined) return length;
  if ((await streamLength(connection, stream)) === undefined) throw noStream(stream);
  if (stream.endsWith(":dlq"))
    context.log.warn(`${stream} looks like a queue: name its source stream, or pass --dlq ${stream}`);
  return 0;
}
