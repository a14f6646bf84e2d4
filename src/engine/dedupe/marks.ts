import { type EntryId, parseEntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { siblingKey } from "../../redis/keys.ts";
import { forgetSuccesses, keysThatBegin, successMarks } from "../../redis/ops/success-marks.ts";
import { entryAgeMs, serverClock } from "../pending/idle.ts";
import { keyOfValue, markerSuffix } from "../worker/dedupe.ts";
import { emittedMarker } from "../worker/emit.ts";

/** A key of --dedupe that has succeeded, and is remembered. */
export interface DedupeMark {
  readonly stream: StreamKey;
  readonly group: GroupName;
  /** The value of the field, or its hash. */
  readonly key: string;
  /** The entry that succeeded; null when the marker does not say. */
  readonly id: EntryId | null;
  /** Of that entry, by its ID; null when that is no time. */
  readonly ageMs: number | null;
  /** For how long it is remembered; null: for ever. */
  readonly ttlMs: number | null;
}

export interface DedupeTarget {
  readonly stream: StreamKey;
  readonly group: GroupName;
}

/** The marks of a group, in no order. The key space is looked through, a step at a time. */
export async function* listMarks(
  connection: Connection,
  { stream, group }: DedupeTarget,
  signal: AbortSignal,
): AsyncGenerator<DedupeMark> {
  const clock = await serverClock(connection);
  for await (const { prefix, keys } of markerKeys(connection, { stream, group }, signal)) {
    for (const { key, value, ttlMs } of await successMarks(connection, keys)) {
      const id = parseEntryId(value) ?? null;
      const ageMs = id === null ? null : entryAgeMs(id, clock());
      yield { stream, group, key: key.slice(prefix.length), id, ageMs, ttlMs };
    }
  }
}

/** Forgets all of them; gives how many there were. */
export async function forgetAllMarks(
  connection: Connection,
  target: DedupeTarget,
  { emit, signal }: { readonly emit: StreamKey | undefined; readonly signal: AbortSignal },
): Promise<number> {
  let count = 0;
  for await (const { prefix, keys } of markerKeys(connection, target, signal)) {
    if (keys.length === 0) continue;
    await forgetOutputs(
      connection,
      target,
      emit,
      keys.map((key) => key.slice(prefix.length)),
    );
    count += await forgetSuccesses(connection, keys);
  }
  return count;
}

/** Forgets one key, named by the field's value or as listMarks has it; false when it is not remembered. */
export async function forgetMark(
  connection: Connection,
  target: DedupeTarget,
  value: string,
  emit: StreamKey | undefined,
): Promise<boolean> {
  const { stream, group } = target;
  const key = keyOfValue(Buffer.from(value));
  // First what was put out: else a run that comes in between would put out nothing.
  await forgetOutputs(connection, target, emit, [key]);
  const marker = siblingKey(stream, markerSuffix(group) + key, connection.cluster);
  return (await forgetSuccesses(connection, [marker])) > 0;
}

/** Across slots a key that was put out is remembered beside the target, too. */
async function forgetOutputs(
  connection: Connection,
  target: DedupeTarget,
  emit: StreamKey | undefined,
  keys: readonly string[],
): Promise<void> {
  if (emit === undefined) return;
  const markers = keys.map((key) => emittedMarker(emit, target, key, connection.cluster));
  await forgetSuccesses(connection, markers);
}

async function* markerKeys(
  connection: Connection,
  { stream, group }: DedupeTarget,
  signal: AbortSignal,
): AsyncGenerator<{ readonly prefix: string; readonly keys: readonly string[] }> {
  const suffix = markerSuffix(group);
  // A name that shares the stream's slot by chance stands without braces.
  const prefixes = new Set([stream + suffix, ...(connection.cluster ? [`{${stream}}${suffix}`] : [])]);
  for (const prefix of prefixes) {
    for await (const keys of keysThatBegin(connection, prefix)) {
      if (signal.aborted) return;
      yield { prefix, keys: [...new Set(keys)] };
    }
  }
}
