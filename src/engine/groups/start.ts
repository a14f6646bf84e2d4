import { ServerError } from "../../errors.ts";
import { type EntryId, parseEntryId, previousId } from "../../entry/id.ts";
import { type GroupName, groupName, type StreamKey } from "../../entry/names.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { type GroupInfo, groupInfos } from "../../redis/ops/info.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { FIRST_ID, parsePosition } from "../position.ts";
import { missingGroup } from "./missing.ts";

/** Where a group begins, or is set to, as people name it. What it means as an ID may depend on the stream and the server's clock. */
export type GroupStart =
  /** It gets what comes after this ID. */
  | { readonly kind: "after"; readonly id: EntryId }
  /** After the last ID that the stream has given. */
  | { readonly kind: "now" }
  /** It gets what was added at that time or later, in ms since 1970. */
  | { readonly kind: "since"; readonly ms: number }
  /** What was added so many ms ago or later, by the server's clock. */
  | { readonly kind: "age"; readonly ms: number }
  /** Where another group of the stream stands. */
  | { readonly kind: "group"; readonly group: GroupName };

export const GROUP_START_FORMS =
  "0 or - (everything), $ or + (what comes from now on), an entry ID (what comes after it), a time, an age like 2h, or group:OTHER";

const OF_GROUP = "group:";

/** Reads a place for a group; undefined when the text is none of GROUP_START_FORMS. */
export function parseGroupStart(text: string): GroupStart | undefined {
  if (text.startsWith(OF_GROUP)) {
    const group = text.slice(OF_GROUP.length);
    return group === "" ? undefined : { kind: "group", group: groupName(group) };
  }
  const id = parseEntryId(text);
  if (id !== undefined) return { kind: "after", id };
  const position = parsePosition(text);
  switch (position?.kind) {
    case "first":
      return { kind: "after", id: FIRST_ID };
    case "last":
    case "now":
      return { kind: "now" };
    case "time":
      return { kind: "since", ms: position.ms };
    case "age":
      return { kind: "age", ms: position.ms };
    case "id":
    case undefined:
      return undefined;
  }
}

/**
 * The ID after which a group begins, or `$`. Asks the server only for what that needs. Fails with exit 4 when it is to
 * stand where a group does that is not there.
 */
export async function resolveGroupStart(
  caller: Caller,
  stream: StreamKey,
  start: GroupStart,
): Promise<EntryId | "$"> {
  switch (start.kind) {
    case "after":
      return start.id;
    case "now":
      return "$";
    case "since":
      return beforeMs(start.ms);
    case "age":
      return beforeMs(Math.max(0, (await serverNowMs(caller)) - start.ms));
    case "group": {
      const other = await groupOf(caller, stream, start.group);
      if (other === undefined) throw await missingGroup(caller, stream, start.group);
      return other.lastDeliveredId;
    }
  }
}

function beforeMs(ms: number): EntryId {
  return previousId(`${ms}-0` as EntryId) ?? FIRST_ID;
}

async function groupOf(caller: Caller, stream: StreamKey, group: GroupName): Promise<GroupInfo | undefined> {
  try {
    const groups = await caller.persist(() => groupInfos(caller, stream));
    return groups.find(({ name }) => name === group);
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return undefined;
    throw error;
  }
}

/** What a run that reads as a group does where that is missing. */
export interface MissingGroupRule {
  /** Where to make it. Undefined: it must be there. */
  readonly createAt: GroupStart | undefined;
  readonly notice: (level: "info", message: string) => void;
}

/** Makes a group that is missing, and its stream, where that is asked for, and says so. May be repeated. */
export async function makeMissing(
  caller: Caller,
  ensureGroup: Streams["ensureGroup"],
  stream: StreamKey,
  group: GroupName,
  { createAt, notice }: MissingGroupRule,
): Promise<void> {
  if (createAt === undefined) return;
  // Where its place has to be asked for, one that is there need not have any: the other group may have gone.
  const mustAsk = createAt.kind === "age" || createAt.kind === "group";
  if (mustAsk && (await groupOf(caller, stream, group)) !== undefined) return;
  const at = await resolveGroupStart(caller, stream, createAt);
  const outcome = await ensureGroup(stream, group, { at, makeStream: true });
  if (outcome === "made") notice("info", `made group ${group} on ${stream} at ${at}`);
}
