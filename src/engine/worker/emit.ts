import { EntryDraft } from "../../entry/entry-draft.ts";
import { JsonDecoder } from "../../entry/json-decode.ts";
import { JsonFault } from "../../entry/json-scan.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { dedupeKey, type DedupeSettings, successMarker } from "./dedupe.ts";
import { MARKER_TTL_MS, moveFenced } from "./fence.ts";
import type { InFlightEntry } from "./in-flight.ts";
import type { WorkerSettings } from "./types.ts";

const PAYLOAD = Buffer.from("payload");
const LINE_END = 0x0a;

/**
 * What a handler printed as entries: a line that is a JSON object gives a field per key, as in produce; any
 * other line is one field `payload`. Empty lines are none. Text says why the output can't be written.
 */
export function outputEntries(stdout: Buffer): Buffer[][] | string {
  const decoder = new JsonDecoder();
  const draft = new EntryDraft();
  const entries: Buffer[][] = [];
  for (let begin = 0, line = 1; begin < stdout.length; line++) {
    const newline = stdout.indexOf(LINE_END, begin);
    const end = newline < 0 ? stdout.length : newline;
    if (end > begin) {
      const fields = lineFields(decoder, draft, stdout, begin, end);
      if (fields.length > MAX_SCRIPT_VALUES)
        return `line ${line} of its output has more fields than one step can write`;
      entries.push(fields);
    }
    begin = end + 1;
  }
  return entries;
}

function lineFields(
  decoder: JsonDecoder,
  draft: EntryDraft,
  source: Buffer,
  begin: number,
  end: number,
): Buffer[] {
  try {
    decoder.object(source, begin, end, draft);
    return draft.fields();
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    return [PAYLOAD, source.subarray(begin, end)];
  }
}

/** The key that says, in another slot, that what an entry brings was put out; `key`: its dedupe key, else its ID. */
export function emittedMarker(
  emitTo: StreamKey,
  { stream, group }: { readonly stream: StreamKey; readonly group: GroupName },
  key: string,
  cluster: boolean,
): string {
  return siblingKey(emitTo, `:emitted:${stream}:${group}:${key}`, cluster);
}

/** Who acks, and what goes with the ack. */
export type SuccessSettings = Member & DedupeSettings & Pick<WorkerSettings, "emitTo" | "deleteAcked">;

/**
 * Acks an entry together with its success marker and its output; repeating it after a lost reply changes nothing.
 *
 * In one slot this is one script. With the output in another slot, and for what is nowhere but here, it is moveOnce: an
 * entry that runs again does not repeat its output. Its marker stays where it stands for the entry's key, which must go
 * on being known.
 */
export async function settleSuccess(
  streams: Streams,
  settings: SuccessSettings,
  delivery: InFlightEntry,
  outputs: readonly (readonly Buffer[])[],
): Promise<Owned> {
  const { stream, claim } = delivery;
  const { group, dedupe, emitTo, deleteAcked: remove } = settings;
  const { cluster } = streams;
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
    marker: emittedMarker(emitTo, { stream, group }, key ?? claim.id, cluster),
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
