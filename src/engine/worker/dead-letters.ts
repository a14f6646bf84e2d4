import { ServerError } from "../../errors.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { ackOwned } from "../../redis/group-steps.ts";
import { settlingKeys } from "../../redis/ops/member.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import { deadLetter } from "../../redis/scripts/settle.ts";
import { asNumber } from "../../redis/value.ts";
import { encodeRecord } from "../dlq/record.ts";
import { replayedBefore } from "../dlq/replay-memory.ts";
import { claimOf } from "./custody.ts";
import { addFenced, MARKER_TTL_MS } from "./fenced-move.ts";
import type { Delivery, Verdict, WorkerSettings } from "./types.ts";

/**
 * Moves an entry to its dead-letter queue. Answers one of `Owned`; repeating it after a lost reply neither
 * loses nor doubles the record.
 *
 * In one slot this is one script. Across slots, for entries with more values than a script can pass, and for what
 * is nowhere but here:
 *   1. the record, fenced (see fenced-move.ts)
 *   2. ack                    – a crash here: done but for the marker, which expires
 *   3. remove the marker      – so that the same ID may be dead-lettered again: after a replay, or when a group is
 *                               made anew
 */
export async function moveToDeadLetters(
  connection: Connection,
  settings: WorkerSettings,
  delivery: Delivery,
  verdict: Verdict & { kind: "dead" },
  failedAt: Date,
): Promise<number> {
  const { stream, entry, deliveries } = delivery;
  const { group, consumer } = settings;
  const dlq = settings.dlqKey(stream);
  const { reason, exit, stderr } = verdict;
  const before = await replayedBefore(connection, stream, group, entry.id);
  const facts = {
    stream,
    id: entry.id,
    group,
    consumer,
    deliveries,
    reason,
    exit,
    stderr,
    failedAt,
    replays: before.replays,
    deliveriesTotal: before.deliveries + deliveries,
  };
  const record = encodeRecord(entry.fields, facts);
  const fitsScript = record.length <= MAX_SCRIPT_VALUES;
  const { id, fence } = claimOf(delivery, settings);
  if (fitsScript && !delivery.orphaned && sameSlot(stream, dlq, connection.cluster)) {
    const args = [group, consumer, id, fence, ...record];
    const keys = settlingKeys(settings, stream, dlq);
    return asNumber(await connection.run(deadLetter, keys, args).catch(namingQueue(dlq)));
  }
  const marker = siblingKey(dlq, `:moved:${stream}:${group}:${id}`, connection.cluster);
  const move = { target: dlq, marker, ttlMs: MARKER_TTL_MS, entries: [record] };
  const refused = await addFenced(connection, settings, delivery, move);
  if (refused !== undefined) return refused;
  const [answer = Owned.notPending] = delivery.orphaned
    ? [Owned.done]
    : await ackOwned(connection, stream, settings, [{ id, fence }], false);
  // A worker that took the entry over meanwhile will need it, too.
  if (answer >= Owned.done) await connection.call("DEL", marker).catch(() => {});
  return answer;
}

/** The script reads the stream without fault, so a wrong type is the queue's. */
function namingQueue(dlq: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ServerError && error.code === "WRONGTYPE") {
      throw translateReply(error.reply, { command: "XADD", key: dlq });
    }
    throw error;
  };
}
