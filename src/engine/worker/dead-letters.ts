import { ServerError } from "../../errors.ts";
import { translateReply } from "../../redis/errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { ackOwned, pendingPage } from "../../redis/group-steps.ts";
import { sameSlot, siblingKey } from "../../redis/keys.ts";
import { encodeCommand, ReplyError, type Reply } from "../../redis/resp.ts";
import { Owned } from "../../redis/scripts/owned.ts";
import { addOnce } from "../../redis/scripts/add-once.ts";
import { deadLetter, MAX_SCRIPT_VALUES } from "../../redis/scripts/settle.ts";
import { asNumber } from "../../redis/value.ts";
import { encodeRecord } from "../dlq/record.ts";
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
    replays: 0,
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
  else await addLarge(connection, dlq, marker, record);
  const [answer = Owned.notPending] = await ackOwned(connection, stream, settings, [entry.id], false);
  await connection.call("DEL", marker).catch(() => {});
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

/**
 * The record and its marker in one transaction, for records that no script can take. The type of the key is
 * looked at first: inside a transaction the SET would be carried out even though the XADD failed.
 */
async function addLarge(
  connection: Connection,
  dlq: string,
  marker: string,
  record: readonly Buffer[],
): Promise<void> {
  const lane = await connection.lane(dlq);
  try {
    const context = { command: "XADD", key: dlq };
    const request = async (...args: (string | number | Buffer)[]): Promise<Reply> => {
      const reply = await lane.request(encodeCommand(args));
      if (reply instanceof ReplyError) throw translateReply(reply.text, context);
      return reply;
    };
    if ((await request("EXISTS", marker)) === 1) return;
    const type = await request("TYPE", dlq);
    if (type !== "none" && type !== "stream") throw translateReply("WRONGTYPE", context);
    const steps = [
      encodeCommand(["MULTI"]),
      encodeCommand(["XADD", dlq, "*", ...record]),
      encodeCommand(["SET", marker, "1", "PX", MARKER_TTL_MS]),
      encodeCommand(["EXEC"]),
    ];
    const results = await new Promise<Reply>((resolve, reject) => {
      let left = steps.length;
      lane.send(Buffer.concat(steps), steps.length, (reply) => --left === 0 && resolve(reply), reject);
    });
    const failure = [results, ...(Array.isArray(results) ? results : [])].find(
      (reply) => reply instanceof ReplyError,
    );
    if (failure instanceof ReplyError) throw translateReply(failure.text, context);
  } finally {
    lane.close();
  }
}
