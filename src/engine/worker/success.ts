import { createHash } from "node:crypto";
import { fieldValue } from "../../entry/entry.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import type { Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { claimOf } from "./custody.ts";
import { MARKER_TTL_MS, moveFenced } from "./fenced-move.ts";
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
  streams: Streams,
  settings: WorkerSettings,
  deliveries: readonly Delivery[],
): Promise<Set<Delivery>> {
  const done = new Set<Delivery>();
  if (!settings.dedupe) return done;
  for (const stream of new Set(deliveries.map((delivery) => delivery.stream))) {
    const keyed = new Map<Delivery, string>();
    for (const delivery of deliveries) {
      const marker =
        delivery.stream === stream ? successMarker(settings, delivery, streams.cluster) : undefined;
      if (marker !== undefined) keyed.set(delivery, marker);
    }
    if (keyed.size === 0) continue;
    const found = await streams.findSuccesses([...keyed.values()]);
    for (const [i, delivery] of [...keyed.keys()].entries()) if (found[i]) done.add(delivery);
  }
  return done;
}

/**
 * Acks an entry together with its success marker and its output; repeating it after a lost reply changes nothing.
 *
 * In one slot this is one script. With the output in another slot, and for what is nowhere but here, it is moveOnce: an
 * entry that runs again does not repeat its output. Its marker stays where it stands for the entry's key, which must go
 * on being known.
 */
export async function settleSuccess(
  streams: Streams,
  settings: WorkerSettings,
  delivery: Delivery,
  outputs: readonly (readonly Buffer[])[],
): Promise<Owned> {
  const { stream } = delivery;
  const { group, dedupe, emitTo, deleteAcked: remove } = settings;
  const { cluster } = streams;
  const claim = claimOf(delivery, settings);
  const markerKey = successMarker(settings, delivery, cluster);
  const marker = markerKey !== undefined && dedupe ? { key: markerKey, ttlMs: dedupe.ttlMs } : undefined;
  if (emitTo === undefined || outputs.length === 0) return end();
  if (!delivery.orphaned && sameSlot(stream, emitTo, cluster)) {
    const output = { stream: emitTo, entries: outputs };
    return streams.succeed(stream, settings, claim, { remove, marker, output });
  }
  const key = dedupeKey(settings, delivery);
  return moveFenced(streams, settings, delivery, {
    target: emitTo,
    marker: siblingKey(emitTo, `:emitted:${stream}:${group}:${key ?? claim.id}`, cluster),
    ttlMs: key === undefined ? MARKER_TTL_MS : (dedupe?.ttlMs ?? MARKER_TTL_MS),
    entries: outputs,
    keepMarker: key !== undefined,
    settle: end,
  });

  /** The ack, with the success marker; of what is nowhere but here, that alone. */
  async function end(): Promise<Owned> {
    if (!delivery.orphaned) return streams.succeed(stream, settings, claim, { remove, marker });
    if (marker) await streams.markSuccess(marker, claim.id);
    return "done";
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
