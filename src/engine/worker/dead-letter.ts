import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import type { Member } from "../../redis/ops/member.ts";
import type { Owned } from "../../redis/ops/owned.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import { NO_NOTE } from "../../redis/ops/replay-notes.ts";
import { encodeRecord } from "../dlq/record.ts";
import { replayMemory } from "../dlq/replay-memory.ts";
import { MARKER_TTL_MS, type Movable, moveFenced } from "./fence.ts";
import type { Verdict, WorkerSettings } from "./types.ts";

/** Who gives entries up, and where to. */
export type DeadLetterSettings = Member & Pick<WorkerSettings, "dlqKey">;

/**
 * Moves an entry to its dead-letter queue; repeating it after a lost reply neither loses nor doubles the record.
 *
 * In one slot this is one script, which also looks up how often the entry has been replayed. Across slots, for entries
 * with more values than a script can pass, and for what is nowhere but here, that is asked first, and the rest is
 * moveOnce. The marker goes with it, so that the same ID may be dead-lettered again when a group is made anew; and it has
 * the number of replays in its name, so that one which a crash left before the last step says nothing of a later life.
 */
export async function moveToDeadLetters(
  streams: Streams,
  settings: DeadLetterSettings,
  delivery: Movable,
  verdict: Verdict & { kind: "dead" },
  failedAt: Date,
): Promise<Owned> {
  const { stream, entry, deliveries, claim } = delivery;
  const { group, consumer } = settings;
  const dlq = settings.dlqKey(stream);
  const { reason, exit, stderr } = verdict;
  const { id } = entry;
  const facts = { stream, id, group, consumer, deliveries, reason, exit, stderr, failedAt };
  const notes = replayMemory(stream, streams.cluster)?.notes;
  const record = encodeRecord(entry.fields, { ...facts, replays: 0 });
  const fitsScript = record.length <= MAX_SCRIPT_VALUES;
  if (fitsScript && !delivery.orphaned && sameSlot(stream, dlq, streams.cluster))
    return streams.deadLetter(stream, settings, claim, { dlq, notes, record });
  const noted = notes === undefined ? undefined : await streams.replayNote(notes, group, id);
  const { replays, deliveries: before } = noted ?? NO_NOTE;
  const life = replays === 0 ? id : `${id}:${replays}`;
  return moveFenced(streams, settings, delivery, {
    target: dlq,
    marker: siblingKey(dlq, `:moved:${stream}:${group}:${life}`, streams.cluster),
    ttlMs: MARKER_TTL_MS,
    entries: [encodeRecord(entry.fields, { ...facts, replays, deliveriesTotal: before + deliveries })],
    keepMarker: false,
    settle: async () => {
      if (delivery.orphaned) return "done";
      const [owned = "notPending"] = await streams.ackOwned(stream, settings, [claim], {
        remove: false,
        note: true,
      });
      return owned;
    },
  });
}
