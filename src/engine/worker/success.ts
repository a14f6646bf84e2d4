import { createHash } from "node:crypto";
import { fieldValue } from "../../entry/entry.ts";
import type { Connection } from "../../redis/connection.ts";
import { settlingKeys } from "../../redis/ops/member.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { succeed } from "../../redis/scripts/settle.ts";
import { asList, asNumber } from "../../redis/value.ts";
import { claimOf } from "./custody.ts";
import { addFenced, MARKER_TTL_MS } from "./fenced-move.ts";
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
 * In one slot this is one script. With the output in another slot, and for what is nowhere but here:
 *   1. the output, fenced (see fenced-move.ts): an entry that runs again does not repeat it
 *   2. ack (+ success)   – a crash here: done but for the marker, which expires
 *   3. remove the marker – unless it stands for the entry's key, which must go on being known
 */
export async function settleSuccess(
  connection: Connection,
  settings: WorkerSettings,
  delivery: Delivery,
  outputs: readonly (readonly Buffer[])[],
): Promise<number> {
  const { stream } = delivery;
  const { group, consumer, dedupe, emitTo, deleteAcked } = settings;
  const { cluster } = connection;
  const marker = successMarker(settings, delivery, cluster);
  const { id, fence } = claimOf(delivery, settings);
  const args = [
    group,
    consumer,
    id,
    fence,
    deleteAcked ? 1 : 0,
    marker === undefined ? 0 : (dedupe?.ttlMs ?? 0),
  ];
  const keys = (...more: string[]): string[] =>
    settlingKeys(settings, stream, ...(marker === undefined ? [] : [marker]), ...more);
  const values = outputs.flatMap((fields) => [fields.length, ...fields]);
  if (emitTo === undefined || outputs.length === 0) return end();
  if (!delivery.orphaned && sameSlot(stream, emitTo, cluster)) {
    return asNumber(await connection.run(succeed, keys(emitTo), [...args, ...values]));
  }
  const key = dedupeKey(settings, delivery);
  const emitted = siblingKey(emitTo, `:emitted:${stream}:${group}:${key ?? id}`, cluster);
  const ttlMs = key === undefined ? MARKER_TTL_MS : (dedupe?.ttlMs ?? MARKER_TTL_MS);
  const move = { target: emitTo, marker: emitted, ttlMs, entries: outputs };
  const refused = await addFenced(connection, settings, delivery, move);
  if (refused !== undefined) return refused;
  const answer = await end();
  // A worker that took the entry over meanwhile will need it, too.
  if (key === undefined && answer >= Owned.done) await connection.call("DEL", emitted).catch(() => {});
  return answer;

  /** The ack, with the success marker; of what is nowhere but here, that alone. */
  async function end(): Promise<number> {
    if (!delivery.orphaned) return asNumber(await connection.run(succeed, keys(), args));
    if (marker !== undefined && dedupe) await connection.call("SET", marker, id, "PX", dedupe.ttlMs, "NX");
    return Owned.done;
  }
}

/** The value of the dedupe field as part of a key's name: itself when it is short and plain, else its hash. */
function dedupeKey(settings: WorkerSettings, delivery: Delivery): string | undefined {
  if (!settings.dedupe) return undefined;
  const value = fieldValue(delivery.entry, Buffer.from(settings.dedupe.field));
  if (!value) return undefined;
  const text = value.toString("latin1");
  return /^[\w.@:-]{1,100}$/.test(text) ? text : `sha256-${createHash("sha256").update(value).digest("hex")}`;
}
