import { type EntryId, previousId } from "../../entry/id.ts";
import { type GroupName, type StreamKey, groupName } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { isRefused } from "../errors.ts";
import { asList, asMap, asNumber, asText, type Value, asId } from "../value.ts";
import { decoded, type Question } from "./ask.ts";
import type { Caller } from "./caller.ts";
import { pendingTotals } from "./pending.ts";

/** XINFO STREAM. What old servers don't tell is undefined. */
export interface StreamInfo {
  readonly length: number;
  readonly groups: number;
  /** The last ID given, also when that entry is gone. */
  readonly lastGeneratedId: EntryId;
  /** The entries that stand first and last now; undefined in an empty stream. */
  readonly firstId: EntryId | undefined;
  readonly lastId: EntryId | undefined;
  /** How many entries the stream ever got (7.0). */
  readonly entriesAdded: number | undefined;
  /** The largest ID that XDEL removed, `0-0` for none (7.0). */
  readonly maxDeletedId: string | undefined;
  /** The first ID the server's own lag counts from (7.0). */
  readonly recordedFirstId: string | undefined;
  /** Blocks of entries: as many as the radix tree has keys. The tree itself has nodes besides. */
  readonly radixKeys: number;
  readonly radixNodes: number;
}

/** One group of XINFO GROUPS. */
export interface GroupInfo {
  readonly name: GroupName;
  readonly consumers: number;
  readonly pending: number;
  readonly lastDeliveredId: EntryId;
  /** What the server believes the lag to be; null when it doesn't know (always before 7.0). */
  readonly lag: number | null;
  /** How many entries the group was ever given, deleted ones included; null as for the lag. */
  readonly entriesRead: number | null;
}

/**
 * XINFO STREAM without the bytes of the first and the last entry, which may be hundreds of megabytes: `[id]` stands
 * for `[id, fields]`. Errors are those of XINFO STREAM, and nothing changes.
 *
 * KEYS[1]  the stream
 * For EVAL and not EVALSHA: it is short, and `lag` need not load Node's crypto for a hash.
 */
const STREAM_INFO = `local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
for n = 2, #info, 2 do
  local name = info[n - 1]
  if info[n] and (name == 'first-entry' or name == 'last-entry') then info[n] = {info[n][1]} end
end
return info`;

/** Rejects with a ServerError of kind notFound when there is no such key. */
export async function streamInfo(connection: Caller, stream: StreamKey): Promise<StreamInfo> {
  try {
    return decodeStreamInfo(await connection.persist(() => connection.call("EVAL", STREAM_INFO, 1, stream)));
  } catch (error) {
    if (!isRefused(error)) throw error;
    return decodeStreamInfo(await connection.persist(() => connection.call("XINFO", "STREAM", stream)));
  }
}

/**
 * XINFO GROUPS and XINFO STREAM as questions, in this order: on one connection the stream is seen a moment
 * later than its groups.
 */
export function groupsQuestion(
  stream: StreamKey,
  take: (groups: GroupInfo[] | ServerError) => void,
): Question {
  return { command: ["XINFO", "GROUPS", stream], take: decoded(decodeGroupInfos, take) };
}

export function streamQuestion(stream: StreamKey, take: (info: StreamInfo | ServerError) => void): Question {
  return {
    command: ["EVAL", STREAM_INFO, "1", stream],
    instead: ["XINFO", "STREAM", stream],
    take: decoded(decodeStreamInfo, take),
  };
}

/**
 * A pipeline follows no redirections; a command that does makes the connection learn where the slots of these
 * keys are now. Never rejects.
 */
export async function learnOwners(caller: Caller, keys: readonly string[]): Promise<void> {
  await Promise.allSettled(keys.map((key) => caller.call("XINFO", "STREAM", key)));
}

function decodeStreamInfo(reply: Value): StreamInfo {
  const info = asList(reply);
  return {
    length: asNumber(valueOf(info, "length")),
    groups: asNumber(valueOf(info, "groups")),
    lastGeneratedId: asId(valueOf(info, "last-generated-id")),
    firstId: entryId(valueOf(info, "first-entry")),
    lastId: entryId(valueOf(info, "last-entry")),
    entriesAdded: optionalNumber(valueOf(info, "entries-added")),
    maxDeletedId: optional(valueOf(info, "max-deleted-entry-id"), asId),
    recordedFirstId: optional(valueOf(info, "recorded-first-entry-id"), asId),
    radixKeys: asNumber(valueOf(info, "radix-tree-keys")),
    radixNodes: asNumber(valueOf(info, "radix-tree-nodes")),
  };
}

/** A value of a flat list of names and values: for the few of one reply a map costs more than it saves. */
function valueOf(list: readonly Value[], name: string): Value | undefined {
  for (let at = 0; at + 1 < list.length; at += 2) if (isText(list[at], name)) return list[at + 1];
  return undefined;
}

function isText(value: Value | undefined, text: string): boolean {
  return typeof value === "string" ? value === text : asText(value) === text;
}

/** Rejects with a ServerError of kind notFound when there is no such key. */
export async function groupInfos(connection: Caller, stream: StreamKey): Promise<GroupInfo[]> {
  return decodeGroupInfos(await connection.persist(() => connection.call("XINFO", "GROUPS", stream)));
}

/**
 * Where a group stands, asked once: its last-delivered ID, or before its oldest pending entry. Undefined when there is
 * no such group, or no such stream.
 */
export async function groupPosition(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<string | undefined> {
  try {
    const { count, firstId } = await pendingTotals(caller, stream, group);
    if (count > 0 && firstId !== undefined) return previousId(firstId) ?? "0-0";
    const groups = decodeGroupInfos(await caller.call("XINFO", "GROUPS", stream));
    return groups.find(({ name }) => name === group)?.lastDeliveredId;
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return undefined;
    throw error;
  }
}

function decodeGroupInfos(reply: Value): GroupInfo[] {
  return asList(reply).map((group) => {
    const info = asList(group);
    return {
      name: groupName(asText(valueOf(info, "name"))),
      consumers: asNumber(valueOf(info, "consumers")),
      pending: asNumber(valueOf(info, "pending")),
      lastDeliveredId: asId(valueOf(info, "last-delivered-id")),
      lag: optionalNumber(valueOf(info, "lag")) ?? null,
      entriesRead: optionalNumber(valueOf(info, "entries-read")) ?? null,
    };
  });
}

/** One consumer of XINFO CONSUMERS. */
export interface ConsumerInfo {
  readonly name: string;
  readonly pending: number;
  /** Since its last attempt to read or claim (before 7.2: its last success). */
  readonly idleMs: number;
  /** Since it last got anything; null when it never did, or the server does not tell (before 7.2). */
  readonly inactiveMs: number | null;
}

/** Rejects with a ServerError of kind notFound when there is no such key or group. */
export async function consumerInfos(
  connection: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<ConsumerInfo[]> {
  const reply = await connection.persist(() => connection.call("XINFO", "CONSUMERS", stream, group));
  return asList(reply).map((consumer) => {
    const info = asMap(consumer);
    return {
      name: asText(info.get("name")),
      pending: asNumber(info.get("pending")),
      idleMs: asNumber(info.get("idle")),
      inactiveMs: sinceActive(info.get("inactive")),
    };
  });
}

/** -1 is never. */
function sinceActive(value: Value | undefined): number | null {
  const inactive = optionalNumber(value);
  return inactive === undefined || inactive < 0 ? null : inactive;
}

function entryId(entry: Value | undefined): EntryId | undefined {
  const [id] = asList(entry);
  return id === undefined ? undefined : asId(id);
}

function optionalNumber(value: Value | undefined): number | undefined {
  return optional(value, asNumber);
}

function optional<T>(value: Value | undefined, read: (value: Value) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}
