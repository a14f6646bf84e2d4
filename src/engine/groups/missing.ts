import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError, StreamctlError } from "../../errors.ts";
import { consumerInfos, groupInfos, streamInfo } from "../../redis/ops/info.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { keyType } from "../../redis/ops/key.ts";

/** An error lists no more names than this. */
const LISTED = 10;

/**
 * Runs an operation on a stream, and says it in full when the stream or group is not there or the key
 * holds something else: `no group "billing" on orders: groups are a, b; create it with …` (exit 4),
 * `orders is a list, not a stream`.
 */
export async function onStream<T>(
  connection: Caller,
  stream: StreamKey,
  group: GroupName | undefined,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw await explain(connection, stream, group, error);
  }
}

/** The error to throw instead of `error`; `error` itself when there is nothing better to say. */
export async function explain(
  connection: Caller,
  stream: StreamKey,
  group: GroupName | undefined,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof ServerError)) return error;
  if (error.code === "WRONGTYPE") return namingType(connection, error, stream);
  if (error.kind !== "notFound") return error;
  return group === undefined ? noStream(stream) : missingGroup(connection, stream, group, error);
}

/**
 * Why a group could not be used: the stream is not there, or it has other groups. When it is there after
 * all, or the user may not look, the answer is `otherwise`.
 */
export async function missingGroup(
  connection: Caller,
  stream: StreamKey,
  group: GroupName,
  otherwise: Error = new StreamctlError("notFound", `no group "${group}" on ${stream}`),
): Promise<Error> {
  try {
    const names = (await groupInfos(connection, stream)).map(({ name }) => name);
    return names.includes(group) ? otherwise : noGroup(stream, group, names);
  } catch (error) {
    return error instanceof ServerError && error.kind === "notFound" ? noStream(stream) : otherwise;
  }
}

/** `no such stream: orders`, exit 4. */
export function noStream(stream: StreamKey): StreamctlError {
  return new StreamctlError("notFound", `no such stream: ${stream}`, {
    hint: "`streamctl ls` shows the streams that are there",
  });
}

/** `no group "billing" on orders: …`, exit 4. */
export function noGroup(stream: StreamKey, group: GroupName, existing: readonly string[]): StreamctlError {
  const create = `create it with streamctl group create ${shellWord(stream)} ${shellWord(group)}`;
  const have = existing.length === 0 ? "it has no groups" : `groups are ${listed(existing)}`;
  return new StreamctlError("notFound", `no group "${group}" on ${stream}`, { hint: `${have}; ${create}` });
}

/** The same error; where a key holds no stream, what it holds instead. */
export async function namingType<E>(
  caller: Caller,
  error: E,
  stream?: StreamKey,
): Promise<E | StreamctlError> {
  if (!(error instanceof ServerError) || error.code !== "WRONGTYPE") return error;
  const { key = stream, hint = "" } = error;
  if (key === undefined) return error;
  const type = await keyType(caller, key).catch(() => undefined);
  if (type === undefined || type === "none" || type === "stream") return error;
  return new StreamctlError("failed", `${key} is a ${type === "zset" ? "sorted set" : type}, not a stream`, {
    hint,
  });
}

/** A name as a shell takes it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Fails with exit 4 when the group does not know the consumer. */
export async function requireConsumer(
  connection: Caller,
  stream: StreamKey,
  group: GroupName,
  consumer: string,
): Promise<void> {
  const names = (await consumerInfos(connection, stream, group)).map(({ name }) => name);
  if (names.includes(consumer)) return;
  const have = names.length === 0 ? "the group has no consumers" : `consumers are ${listed(names)}`;
  throw new StreamctlError("notFound", `no consumer "${consumer}" in group "${group}" on ${stream}`, {
    hint: have,
  });
}

function listed(names: readonly string[]): string {
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
  return names.slice(0, LISTED).join(", ") + more;
}

/** How many entries a stream holds; undefined when there is no such key. Fails for keys of other types. */
export async function streamLength(connection: Caller, stream: StreamKey): Promise<number | undefined> {
  try {
    return (await streamInfo(connection, stream)).length;
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return undefined;
    throw await explain(connection, stream, undefined, error);
  }
}
