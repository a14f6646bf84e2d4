import type { Context } from "../../context.ts";
import { onStream } from "../../engine/groups/missing.ts";
import {
  FIRST_ID,
  type IdRange,
  LAST_ID,
  lastGeneratedId,
  type Position,
  resolveRange,
} from "../../engine/position.ts";
import { Ends } from "../../engine/group-reader/ends.ts";
import { FollowMode } from "../../engine/read/follow.ts";
import { GroupReader } from "../../engine/read/group.ts";
import { startOfLast } from "../../engine/read/last.ts";
import { type LinkListener, SILENT } from "../../engine/read/pipelines.ts";
import { readRange } from "../../engine/read/range.ts";
import { StreamReader } from "../../engine/read/reader.ts";
import type { Roster } from "../../engine/roster.ts";
import { type EntryFilter, entryFilter } from "../../engine/where.ts";
import { compareIds, type EntryId, previousId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, ServerError, UsageError } from "../../errors.ts";
import { PRETTY } from "../../output/output.ts";
import { PageWriter } from "../../output/page-writer.ts";
import type { Connection } from "../../redis/connection.ts";
import { streamInfo } from "../../redis/ops/info.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { StreamArguments } from "../stream-arguments.ts";
import type { ConsumeFlags } from "./consume.ts";
import { untilTimeIsUp } from "./time-limit.ts";

/** A range of each stream, one stream after the other, as they are when it starts. */
export async function printRange(
  context: Context,
  args: StreamArguments,
  flags: ConsumeFlags,
): Promise<void> {
  const connection = await context.connect();
  const streams = await args.findSome();
  const writer = await openWriter(context, { streams, mayChange: false }, flags);
  const signal = untilTimeIsUp(context, flags.maxRuntime);
  for (const stream of streams) {
    const left = flags.count === undefined ? undefined : flags.count - writer.printed;
    if (left !== undefined && left <= 0) break;
    await onStream(connection, stream, undefined, async () => {
      let range = await snapshotRange(connection, stream, flags).catch(unlessGone(stream, args));
      if (range && flags.last !== undefined) {
        const from = await startOfNewest(connection, stream, range, flags, flags.last, signal);
        range = from && { from, to: range.to, length: undefined };
      }
      if (!range) return;
      writer.expect(range.length);
      const request = { stream, range, reverse: flags.reverse, count: left, filter: filterOf(flags, writer) };
      await writer.print(readRange(connection, request, { signal, link: linkNotices(context) }));
    });
  }
  await writer.end();
  writer.summary();
}

/** What a pattern matched may have gone since. */
function unlessGone(stream: StreamKey, { named }: StreamArguments): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof ServerError && error.kind === "notFound" && !named.has(stream)) return undefined;
    throw error;
  };
}

/** The end is that of now: a stream that grows faster than it is printed would never end. */
async function snapshotRange(connection: Connection, stream: StreamKey, { from, to }: ConsumeFlags) {
  const info = await streamInfo(connection, stream);
  const range = await resolveRange(connection, stream, { from, to });
  if (!range) return undefined;
  const last = info.lastGeneratedId;
  const end = compareIds(range.to, last) > 0 ? last : range.to;
  return {
    from: range.from,
    to: end,
    length: from === undefined && to === undefined ? info.length : undefined,
  };
}

/** Where the entries begin that --last asks for; undefined when the range has none of them. */
function startOfNewest(
  connection: Connection,
  stream: StreamKey,
  range: IdRange,
  { where }: ConsumeFlags,
  last: number,
  signal: AbortSignal,
): Promise<EntryId | undefined> {
  const filter = where && entryFilter(where);
  return startOfLast(connection, { stream, range, filter }, last, { signal, link: SILENT });
}

/** What comes after the start, from all streams as it comes, until an end or a signal. */
export async function printFollowed(
  context: Context,
  args: StreamArguments,
  flags: ConsumeFlags,
): Promise<number> {
  const connection = await context.connect();
  const roster = await args.roster(!flags.untilEmpty);
  const { from, last } = flags;
  const mode = new FollowMode();
  const signal = untilTimeIsUp(context, flags.maxRuntime);
  const afterFrom = async (stream: StreamKey, position: Position): Promise<string> => {
    const range = await resolveRange(connection, stream, { from: position });
    return range ? (previousId(range.from) ?? FIRST_ID) : LAST_ID;
  };
  /** The ID after which a stream is followed that ends with `end` now. */
  const startAfter = async (stream: StreamKey, end: EntryId): Promise<string> => {
    if (last === undefined) return from === undefined ? end : afterFrom(stream, from);
    const range = await resolveRange(connection, stream, { from });
    const part = range && { from: range.from, to: end };
    const start = part && (await startOfNewest(connection, stream, part, flags, last, signal));
    return start === undefined ? end : (previousId(start) ?? FIRST_ID);
  };
  for (const stream of roster.streams) {
    const end = await onStream(connection, stream, undefined, () => lastGeneratedId(connection, stream));
    if (end === FIRST_ID) context.log.info(`${stream} has no entries yet: waiting for them`);
    mode.join(stream, await startAfter(stream, end));
  }
  roster.follow({
    // It came after the start, and so did all that it holds.
    admit: async (stream) => {
      mode.join(stream, from === undefined ? FIRST_ID : await afterFrom(stream, from));
      return true;
    },
    left: (stream) => mode.left(stream),
  });
  const writer = await openWriter(context, roster, flags);
  const reader = new StreamReader({
    connection,
    roster,
    mode,
    ends: endsOf(flags),
    signal,
    link: linkNotices(context),
    filter: filterOf(flags, writer),
  });
  await writer.print(reader.pages());
  await writer.end();
  writer.summary();
  return ExitCode.ok;
}

/** What the group is given, acked once it is printed. */
export async function printGroup(
  context: Context,
  args: StreamArguments,
  member: Member,
  flags: ConsumeFlags,
): Promise<number> {
  const { ack } = flags;
  if (ack && context.output.absent)
    throw new UsageError("stdout is closed: entries would be acked that nobody has seen", {
      hint: "give it a file or a pipe; > /dev/null if that is meant",
    });
  await context.mustBeWritable();
  const connection = await context.connect();
  const roster = await args.roster(!flags.untilEmpty);
  const writer = await openWriter(context, roster, flags);
  const notice = (level: "detail" | "info" | "warn", message: string): void => context.log[level](message);
  const reader = await GroupReader.open(connection, {
    roster,
    member,
    consumerIsUnique: flags.consumer === undefined,
    ack,
    filter: filterOf(flags, writer),
    ackUnmatched: flags.ackUnmatched,
    whenMissing: {
      createAt: flags.createGroup ? flags.groupStart : undefined,
      notice,
    },
    notice,
    ends: endsOf(flags),
    signal: untilTimeIsUp(context, flags.maxRuntime),
    link: linkNotices(context),
  });
  try {
    await writer.print(reader.pages());
    await writer.end();
  } finally {
    roster.stop();
    writer.stopProgress();
    writer.summary({ ...(await reader.leave()), consumer: member.consumer, ack });
  }
  return ExitCode.ok;
}

function openWriter(
  context: Context,
  { streams, mayChange }: Pick<Roster, "streams" | "mayChange">,
  { field, null: nul, output }: ConsumeFlags,
): Promise<PageWriter> {
  if (nul && context.output.format !== "raw")
    throw new UsageError("-0 is for -o raw: other formats have their own ends");
  const fields = field?.map((name) => Buffer.from(name));
  return PageWriter.open(context, {
    fields,
    manyStreams: streams.length > 1 || mayChange,
    nul,
    pretty: output === PRETTY,
  });
}

function endsOf({ count, untilEmpty, idleExit: idleMs }: ConsumeFlags): Ends {
  return new Ends({ count, untilEmpty, idleMs });
}

function filterOf({ where }: ConsumeFlags, writer: PageWriter): EntryFilter | undefined {
  if (where === undefined) return undefined;
  return { ...entryFilter(where), onLooked: (count) => writer.lookedAt(count) };
}

function linkNotices({ log }: Context): LinkListener {
  return {
    lost: (reason) => log.warn(`${reason}: trying to get it back`),
    back: () => log.info("connected again"),
  };
}
