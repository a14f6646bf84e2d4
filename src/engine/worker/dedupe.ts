import { createHash } from "node:crypto";
import { fieldValue } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { GroupName } from "../../entry/names.ts";
import { siblingKey } from "../../redis/keys.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { InFlight, InFlightEntry } from "./in-flight.ts";
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
    : siblingKey(delivery.stream, markerSuffix(settings.group) + key, cluster);
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

/** Of so many keys it is known which entry came last. */
const KEYS = 10_000;

/**
 * Entries whose keys had not succeeded when they came, but may have when they are run: one with the same key was in flight
 * here before them. Before they begin it is looked once more; for others that costs nothing.
 */
export class SameKeys {
  readonly #settings: DedupeSettings;
  readonly #inFlight: InFlight;
  /** Per key, the last entry that came. */
  readonly #last = new Map<string, EntryId>();
  /** The one before it; by its ID, so that none is kept for another's sake. */
  readonly #before = new WeakMap<InFlightEntry, EntryId>();

  constructor(settings: DedupeSettings, inFlight: InFlight) {
    this.#settings = settings;
    this.#inFlight = inFlight;
  }

  /** It waits for its run from now on. */
  came(delivery: InFlightEntry): void {
    const key = dedupeKey(this.#settings, delivery);
    if (key === undefined) return;
    const { stream, entry } = delivery;
    const place = `${stream} ${key}`;
    const before = this.#last.get(place);
    if (before !== undefined && this.#inFlight.has(stream, before)) this.#before.set(delivery, before);
    this.#last.delete(place);
    this.#last.set(place, entry.id);
    if (this.#last.size <= KEYS) return;
    const [oldest = ""] = this.#last.keys();
    this.#last.delete(oldest);
  }

  followsAnother(entry: InFlightEntry): boolean {
    return this.#before.has(entry);
  }

  /** Whether Redis is being told of the entry before it: only then does it know whether that has succeeded. */
  mustWait(entry: InFlightEntry): boolean {
    const before = this.#before.get(entry);
    return before !== undefined && this.#inFlight.get(entry.stream, before)?.state === "settling";
  }
}

/** The value of the dedupe field as part of a key's name. */
export function dedupeKey(settings: DedupeSettings, delivery: Delivery): string | undefined {
  if (!settings.dedupe) return undefined;
  const value = fieldValue(delivery.entry, Buffer.from(settings.dedupe.field));
  return value ? keyOfValue(value) : undefined;
}

/** Itself when it is short and plain, else its hash. */
export function keyOfValue(value: Buffer): string {
  const text = value.toString("latin1");
  return /^[\w.@:-]{1,100}$/.test(text) ? text : `sha256-${createHash("sha256").update(value).digest("hex")}`;
}

/** What stands behind a stream's name in the names of a group's success markers, before the key. */
export function markerSuffix(group: GroupName): string {
  return `:done:${group}:`;
}
