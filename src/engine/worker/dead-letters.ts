import { ServerError } from "../../errors.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { addLargeOnce } from "../../redis/add-large.ts";
import { ackOwned, pendingPage } from "../../redis/group-steps.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { addOnce } from "../../redis/scripts/add-once.ts";
import { deadLetter, MAX_SCRIPT_VALUES } from "../../redis/scripts/settle.ts";
import { asNumber } from "../../redis/value.ts";
import { encodeRecord } from "../dlq/record.ts";
import { replayNote } from "../dlq/replay-memory.ts";
import type { Delivery, Verdict, WorkerSettings } from "./types.ts";

/** How long a marker may be needed: until the entry of a worker that died between the two steps is taken. */
export const MARKER_TTL_MS = 24 * 60 * 60 * 1_000;

/**
 * Moves an entry to its dead-letter queue. Answers one of `Owned`; repeating it after a lost reply neither
 * loses nor doubles the record.
 *
 * In one slot this is one script. Across slots, and for entries with more values than a script can pass:
 *   1. still ours?            – a crash here: the entry is pending, nothing has happened
 *   2. record + marker        – a crash here: the entry is pending, the marker keeps the next try from
 *                               adding a second record
 *   3. ack                    – a crash here: done but for the marker, which expires
 *   4. remove the marker      – so that the same ID may be dead-lettered again if a group is made anew
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
  const before = await replayNote(connection, stream, group, entry.id);
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
  if (fitsScript && sameSlot(stream, dlq, connection.cluster)) {
    const args = [group, consumer, entry.id, ...record];
    return asNumber(await connection.run(deadLetter, [stream, dlq], args).catch(namingQueue(dlq)));
  }
  const [row] = await pendingPage(connection, stream, group, entry.id, 1);
  if (row?.id !== entry.id) return Owned.notPending;
  if (row.consumer !== consumer) return Owned.takenByOther;
  const marker = siblingKey(dlq, `:moved:${stream}:${group}:${entry.id}`, connection.cluster);
  if (fitsScript) await connection.run(addOnce, [dlq, marker], [MARKER_TTL_MS, record.length, ...record]);
  else await addLargeOnce(connection, dlq, { key: marker, ttlMs: MARKER_TTL_MS }, record);
  const [answer = Owned.notPending] = await ackOwned(connection, stream, settings, [entry.id], false);
  // Whoever took the entry over meanwhile will need it, too.
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
