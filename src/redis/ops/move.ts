import { randomBytes } from "node:crypto";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ConnectionError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../connection.ts";
import { translateReply } from "../errors.ts";
import { encodeCommand, type Reply, ReplyError } from "../resp.ts";
import { defineScript } from "../script.ts";
import { asId } from "../value.ts";
import type { Caller } from "./caller.ts";
import { MAX_SCRIPT_VALUES } from "./limits.ts";
import { ADD_ALL } from "./lua/add-all.ts";
import { isDone, type Owned } from "./owned.ts";

/**
 * Begins a move across slots: see moveOnce.
 *
 * KEYS     the marker
 * ARGV     a word that no other begin has, how long it counts in ms
 * Returns  1 begun, 0 the marker says that the entry has been added: the ack alone is missing.
 */
const beginScript = defineScript(
  "begin-move",
  `
if redis.call('GET', KEYS[1]) == '1' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`,
);

/**
 * The second half of a move across slots that lies on the target's slot. A crash after it leaves the source entry
 * pending and the marker set: whoever gets the entry next adds nothing again. The marker is set first, because
 * after the XADD there must be no step that memory could refuse.
 *
 * KEYS     the target stream, the marker
 * ARGV     the word of the begin, the marker's time to live in ms, then per entry: how many values, the values
 * Returns  the ID of the last entry added; 0 the marker says that it was done before, -1 another has begun since, or it is too long ago.
 */
const addScript = defineScript(
  "add-once",
  `${ADD_ALL}
local marker = redis.call('GET', KEYS[2])
if marker == '1' then return 0 end
if marker ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
local failure, last = add_all(KEYS[1], 3)
if failure then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return failure
end
return last
`,
);

/** A move that was begun and takes longer than this is begun again. */
const BEGUN_MS = 60_000;
/** Two that overtake each other wait for times that differ. */
const AGAIN_MS = 50;

/** What adds entries once: scripts, and a pipeline of its own for an entry that is too large for them. */
export type Adder = Caller &
  Pick<Connection, "pipeline"> & {
    /** Where scripts wait for replicas: the same for what was written over such a pipeline to the node of this key. */
    prove?(key: string): Promise<void>;
  };

export interface AddOnce {
  readonly target: StreamKey;
  /** In the target's slot. Holds the word of the last to begin, and `1` when the entries have been added. */
  readonly marker: string;
  /** How long the marker says so. */
  readonly ttlMs: number;
  /** One entry may have more values than a script can pass, when it is the only one. */
  readonly entries: readonly (readonly Buffer[])[];
}

export type Added = { readonly outcome: "added"; readonly id: EntryId } | { readonly outcome: "before" };

/**
 * Adds entries to a stream, once however often this is repeated, also by others at the same time:
 *   1. begin              – a crash here, or a pause of any length: nothing has happened
 *   2. `mayAdd`           – the same. Its refusal is handed on, and nothing was added
 *   3. entries + marker   – only if none has begun since. A crash here: the marker keeps the next try from adding
 * The marker is the fence: whoever began last may add, and has asked `mayAdd` after that. So one that stood still
 * between asking and adding, however long, finds that another has begun since, or that the marker is gone with the
 * whole move: it adds nothing and asks again. The marker stays. `id` is that of the last entry.
 */
export async function addOnce<Refusal extends string = never>(
  connection: Adder,
  { target, marker, ttlMs, entries }: AddOnce,
  mayAdd?: () => Promise<Refusal | undefined>,
): Promise<Added | { readonly outcome: Refusal }> {
  for (;;) {
    const word = randomBytes(9).toString("base64");
    if ((await connection.run(beginScript, [marker], [word, BEGUN_MS])) === 0) return { outcome: "before" };
    const refusal = await mayAdd?.();
    if (refusal !== undefined) return { outcome: refusal };
    const added = await add(word);
    if (added.outcome !== "overtaken") return added;
    await sleep(Math.random() * AGAIN_MS);
  }

  function add(word: string): Promise<Added | { readonly outcome: "overtaken" }> {
    const [first = []] = entries;
    return first.length > MAX_SCRIPT_VALUES
      ? addLarge(connection, target, { key: marker, ttlMs, word }, first)
      : addInScript(connection, target, { key: marker, ttlMs, word }, entries);
  }
}

export interface MoveOnce extends AddOnce {
  /** Undefined: the source still has it for this client. Else what has become of it there. */
  readonly mayAdd: () => Promise<Owned | undefined>;
  /** Takes it from the source. */
  readonly settle: () => Promise<Owned>;
  /** The marker outlives the move: what it is named after may come again. */
  readonly keepMarker: boolean;
}

/**
 * Moves what becomes entries of a stream in another slot, without losing or doubling them:
 *   1. addOnce            – a crash here: the source still has it, the marker keeps the next try from adding it again
 *   2. `settle`           – a crash here: done but for the marker, which expires
 *   3. remove the marker  – unless another has taken it over from the source meanwhile, and needs the marker, too
 */
export async function moveOnce(connection: Adder, move: MoveOnce): Promise<Owned> {
  try {
    const { outcome } = await addOnce(connection, move, move.mayAdd);
    if (outcome !== "added" && outcome !== "before") return outcome;
  } catch (error) {
    if (!(error instanceof ConnectionError) || !error.sent) throw error;
    // Whatever was done can be done again: it is not the settling step whose reply was lost.
    throw new ConnectionError(error.message, { cause: error });
  }
  const owned = await move.settle();
  if (!move.keepMarker && isDone(owned)) await connection.call("DEL", move.marker).catch(() => {});
  return owned;
}

interface Begun {
  readonly key: string;
  readonly ttlMs: number;
  readonly word: string;
}

async function addInScript(
  connection: Caller,
  target: StreamKey,
  marker: Begun,
  entries: readonly (readonly Buffer[])[],
): Promise<Added | { readonly outcome: "overtaken" }> {
  const values = entries.flatMap((fields) => [fields.length, ...fields]);
  const answer = await connection.run(
    addScript,
    [target, marker.key],
    [marker.word, marker.ttlMs, ...values],
  );
  if (answer === 0) return { outcome: "before" };
  if (answer === -1) return { outcome: "overtaken" };
  return { outcome: "added", id: asId(answer) };
}

/**
 * Adds an entry that has more values than a script can pass, and says so in the marker, in one transaction. The
 * type of the key is looked at first: inside a transaction the SET would be carried out even though the XADD failed.
 */
async function addLarge(
  connection: Adder,
  target: StreamKey,
  marker: Begun,
  fields: readonly Buffer[],
): Promise<Added | { readonly outcome: "overtaken" }> {
  const pipeline = await connection.pipeline(target);
  const context = { command: "XADD", key: target };
  const orThrow = (reply: Reply): Reply => {
    if (reply instanceof ReplyError) throw translateReply(reply.text, context);
    return reply;
  };
  const request = async (...words: Words): Promise<Reply> =>
    orThrow(await pipeline.request(encodeCommand(words)));
  try {
    for (;;) {
      await request("WATCH", marker.key);
      const held = await request("GET", marker.key);
      const word = Buffer.isBuffer(held) ? held.latin1Slice() : undefined;
      if (word === "1") return { outcome: "before" };
      if (word !== marker.word) return { outcome: "overtaken" };
      const type = await request("TYPE", target);
      if (type !== "none" && type !== "stream") throw translateReply("WRONGTYPE", context);
      const steps: Words[] = [
        ["MULTI"],
        ["XADD", target, "*", ...fields],
        ["SET", marker.key, "1", "PX", marker.ttlMs],
        ["EXEC"],
      ];
      const replies = await Promise.all(steps.map((words) => pipeline.request(encodeCommand(words))));
      replies.forEach(orThrow);
      const results = replies.at(-1);
      // Null: the marker has changed since it was looked at.
      if (!Array.isArray(results)) continue;
      results.forEach(orThrow);
      await connection.prove?.(target);
      return { outcome: "added", id: asId(results[0] as Buffer) };
    }
  } finally {
    pipeline.close();
  }
}

type Words = (string | number | Buffer)[];
