import { createHash } from "node:crypto";
import { fieldValue } from "../../entry/entry.ts";
import { siblingKey } from "../../redis/keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Delivery, WorkerSettings } from "./types.ts";

export type DedupeSettings = Pick<WorkerSettings, "group" | "dedupe">;

/** The marker that says that this entry's key has succeeded; undefined when it has no key to go by. */
export function successMarker(
  settings: DedupeSettings,
  delivery: Delivery,
  cluster: boolean,
): string | undefined {
  const key = dedupeKey(settings, delivery);
  return key === undefined
    ? undefined
    : siblingKey(delivery.stream, `:done:${settings.group}:${key}`, cluster);
}

/** Those of the deliveries whose keys have succeeded before. */
export async function alreadyDone(
  streams: Streams,
  settings: DedupeSettings,
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

/** The value of the dedupe field as part of a key's name: itself when it is short and plain, else its hash. */
export function dedupeKey(settings: DedupeSettings, delivery: Delivery): string | undefined {
  if (!settings.dedupe) return undefined;
  const value = fieldValue(delivery.entry, Buffer.from(settings.dedupe.field));
  if (!value) return undefined;
  const text = value.toString("latin1");
  return /^[\w.@:-]{1,100}$/.test(text) ? text : `sha256-${createHash("sha256").update(value).digest("hex")}`;
}
