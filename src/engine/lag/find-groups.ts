import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Question } from "../../redis/ops/ask.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { type GroupInfo, groupsQuestion, type StreamInfo, streamQuestion } from "../../redis/ops/info.ts";
import { explain, noGroup } from "../groups/missing.ts";

/** A group, and the stream as it was a moment later. */
export interface FoundGroup {
  readonly stream: StreamKey;
  readonly info: StreamInfo;
  readonly group: GroupInfo;
}

/** What was learnt of one stream: the answers, or the first error. */
interface Look {
  groups?: readonly GroupInfo[];
  info?: StreamInfo;
  error?: ServerError;
}

/** Sends many reads at once. */
export type Asker = (questions: readonly Question[]) => Promise<void>;

/** The groups of the streams, in their order. A stream that is not `named` may have gone: it has none then. */
export async function findGroups(
  connection: Caller,
  asker: Asker,
  streams: readonly StreamKey[],
  request: { readonly named: ReadonlySet<string>; readonly group?: GroupName | undefined },
): Promise<FoundGroup[]> {
  const looks = streams.map((): Look => ({}));
  await asker(streams.flatMap((stream, index) => questionsAbout(stream, looks[index] as Look)));
  const found: FoundGroup[] = [];
  for (const [index, { groups = [], info, error }] of looks.entries()) {
    const stream = streams[index] as StreamKey;
    const named = request.named.has(stream);
    if (error && (named || !hasVanished(error))) throw await explain(connection, stream, undefined, error);
    if (error || !info) continue;
    const wanted = groups.filter(({ name }) => request.group === undefined || name === request.group);
    if (named && request.group !== undefined && wanted.length === 0)
      throw noGroup(
        stream,
        request.group,
        groups.map(({ name }) => name),
      );
    for (const group of wanted) found.push({ stream, info, group });
  }
  return found;
}

/** Sent in this order on one connection: see provenLag. */
function questionsAbout(stream: StreamKey, look: Look): Question[] {
  return [
    groupsQuestion(stream, (answer) => {
      if (answer instanceof ServerError) look.error ??= answer;
      else look.groups = answer;
    }),
    streamQuestion(stream, (answer) => {
      if (answer instanceof ServerError) look.error ??= answer;
      else look.info = answer;
    }),
  ];
}

/** The key was deleted, or is something else by now, or lost the group. */
function hasVanished(error: ServerError): boolean {
  return error.kind === "notFound" || error.code === "WRONGTYPE";
}

/** For a group of which nothing more could be learnt: undefined when it may vanish, else the error is thrown in full. */
export async function leftOut(
  connection: Caller,
  { stream, group }: FoundGroup,
  named: ReadonlySet<string>,
  error: ServerError,
): Promise<undefined> {
  if (!named.has(stream) && hasVanished(error)) return undefined;
  throw await explain(connection, stream, group.name, error);
}
