import { createHash } from "node:crypto";
import { fieldValue } from "../../entry/entry.ts";
import type { Connection } from "../../redis/connection.ts";
import { pendingPage } from "../../redis/group-steps.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { addOnce } from "../../redis/scripts/add-once.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { succeed } from "../../redis/scripts/settle.ts";
import { asList, asNumber } from "../../redis/value.ts";
import { MARKER_TTL_MS } from "./dead-letters.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

/** The marker that says that this entry's key has succeeded; undefined when it has no key to go by. */
function successMarker(settings: WorkerSettings, delivery: Delivery, cluster: boolean): string | undefined {
  const key = dedupeKey(settings, delivery);
  return key === undefined
    ? undefined
    : siblingKey(delivery.stream, `:done:${settings.group}:${key}`, cluster);
}

/** Those of the deliveries whose keys have succeeded before. */
export async function alreadyDone(
  connection: Connection,
  settings: WorkerSettings,
  deliveries: readonly Delivery[],
): Promise<Set<Delivery>> {
  const done = new Set<Delivery>();
  if (!settings.dedupe) return done;
  for (const stream of new Set(deliveries.map((delivery) => delivery.stream))) {
    const keyed = new Map<Delivery, string>();
    for (const delivery of deliveries) {
      const marker =
        delivery.stream === stream ? successMarker(settings, delivery, connection.cluster) : undefined;
      if (marker !== undefined) keyed.set(delivery, marker);
    }
    if (keyed.size === 0) continue;
    const found = asList(await connection.call("MGET", ...keyed.values()));
    for (const [i, delivery] of [...keyed.keys()].entries()) if (found[i] !== null) done.add(delivery);
  }
  return done;
}

/**
 * Acks an entry together with its success marker and its output. Answers one of `Owned`; repeating it after
 * a lost reply changes nothing.
 *
 * In one slot this is one script. With the output in another slot:
 *   1. still ours?       – a crash here: the entry is pending, nothing has happened
 *   2. output + marker   – a crash here: the entry is pending and runs again, but its output is not repeated
 *   3. ack (+ success)   – a crash here: done but for the marker, which expires
 *   4. remove the marker – unless it stands for the entry's key, which must go on being known
 */
export async function settleSuccess(
  connection: Connection,
  settings: WorkerSettings,
  delivery: Delivery,
  outputs: readonly (readonly Buffer[])[],
): Promise<number> {
  const { stream, entry } = delivery;
  const { group, consumer, dedupe, emitTo, deleteAcked } = settings;
  const { cluster } = connection;
  const marker = successMarker(settings, delivery, cluster);
  const args = [
    group,
    consumer,
    entry.id,
    deleteAcked ? 1 : 0,
    marker === undefined ? 0 : (dedupe?.ttlMs ?? 0),
  ];
  const keys = marker === undefined ? [stream] : [stream, marker];
  const values = outputs.flatMap((fields) => [fields.length, ...fields]);
  if (emitTo === undefined || outputs.length === 0)
    return asNumber(await connection.run(succeed, keys, args));
  if (sameSlot(stream, emitTo, cluster)) {
    return asNumber(await connection.run(succeed, [...keys, emitTo], [...args, ...values]));
  }
  const [row] = await pendingPage(connection, stream, group, entry.id, 1);
  if (row?.id !== entry.id) return Owned.notPending;
  if (row.consumer !== consumer) return Owned.takenByOther;
  const key = dedupeKey(settings, delivery);
  const emitted = siblingKey(emitTo, `:emitted:${stream}:${group}:${key ?? entry.id}`, cluster);
  const ttlMs = key === undefined ? MARKER_TTL_MS : (dedupe?.ttlMs ?? MARKER_TTL_MS);
  await connection.run(addOnce, [emitTo, emitted], [ttlMs, ...values]);
  const answer = asNumber(await connection.run(succeed, keys, args));
  // Whoever took the entry over meanwhile will need it, too.
  if (key === undefined && answer >= Owned.done) await connection.call("DEL", emitted).catch(() => {});
  return answer;
}

/** The value of the dedupe field as part of a key's name: itself when it is short and plain, else its hash. */
function dedupeKey(settings: WorkerSettings, delivery: Delivery): string | undefined {
  if (!settings.dedupe) return undefined;
  const value = fieldValue(delivery.entry, Buffer.from(settings.dedupe.field));
  if (!value) return undefined;
  const text = value.toString("latin1");
  return /^[\w.@:-]{1,100}$/.test(text) ? text : `sha256-${createHash("sha256").update(value).digest("hex")}`;
}
