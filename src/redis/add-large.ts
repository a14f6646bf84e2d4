import type { Connection } from "./connection.ts";
import { translateReply } from "./errors.ts";
import { encodeCommand, type Reply, ReplyError } from "./resp.ts";

type Words = (string | number | Buffer)[];

/** Another has begun the move since (see scripts/add-once.ts). */
export class Overtaken extends Error {}

/**
 * Adds an entry that has more values than a script can pass, together with a marker (in the same slot) that
 * says so, in one transaction. Its ID; undefined when the marker was there already, also when another set it
 * meanwhile. `begun`: the word that the marker must hold until then; throws `Overtaken` when it holds another. The
 * type of the key is looked at first: inside a transaction the SET would be carried out even though the XADD failed.
 */
export async function addLargeOnce(
  connection: Connection,
  key: string,
  marker: { readonly key: string; readonly ttlMs: number; readonly begun?: string },
  fields: readonly Buffer[],
): Promise<string | undefined> {
  const lane = await connection.lane(key);
  const context = { command: "XADD", key };
  const request = async (...words: Words): Promise<Reply> =>
    orThrow(await lane.request(encodeCommand(words)));
  const orThrow = (reply: Reply): Reply => {
    if (reply instanceof ReplyError) throw translateReply(reply.text, context);
    return reply;
  };
  try {
    for (;;) {
      await request("WATCH", marker.key);
      if (marker.begun === undefined) {
        if ((await request("EXISTS", marker.key)) === 1) return undefined;
      } else {
        const held = await request("GET", marker.key);
        const word = Buffer.isBuffer(held) ? held.latin1Slice() : undefined;
        if (word === "1") return undefined;
        if (word !== marker.begun) throw new Overtaken();
      }
      const type = await request("TYPE", key);
      if (type !== "none" && type !== "stream") throw translateReply("WRONGTYPE", context);
      const steps: Words[] = [
        ["MULTI"],
        ["XADD", key, "*", ...fields],
        ["SET", marker.key, "1", "PX", marker.ttlMs],
        ["EXEC"],
      ];
      const replies = await Promise.all(steps.map((words) => lane.request(encodeCommand(words))));
      replies.forEach(orThrow);
      const results = replies.at(-1);
      // Null: the marker has changed since it was looked at.
      if (!Array.isArray(results)) continue;
      results.forEach(orThrow);
      return (results[0] as Buffer).latin1Slice();
    }
  } finally {
    lane.close();
  }
}
