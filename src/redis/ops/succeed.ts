import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList } from "../value.ts";
import type { Caller } from "./caller.ts";
import { ADD_ALL } from "./lua/add-all.ts";
import { DELETE_UNNEEDED } from "./lua/delete-unneeded.ts";
import { SETTLED } from "./lua/settled.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import { type Member, settlingKeys } from "./member.ts";
import { type Claim, decodeOwned, OWNED, type Owned } from "./owned.ts";

/**
 * Acks one entry together with what its success brings: a marker for its key, output entries.
 *
 * KEYS     the stream; then, as ARGV says, the marker and the output stream; the holders
 * ARGV     group, consumer, id, fence, delete ("1": also delete what no group needs), marker's time to live in ms
 *          (0: no marker), then per output entry: how many values, the values
 * Returns  1 acked, else as OWNED. When the marker is there already, the key has succeeded before: the entry is
 *          acked, and nothing is put out. An output that fails (memory, type) fails the whole step.
 */
const succeedScript = defineScript(
  "succeed",
  `${OWNED}${DELETE_UNNEEDED}${ADD_ALL}${SETTLED}${TAKES_OF_GROUP}
local owned = state(ARGV[3], ARGV[4])
if owned < 1 then return owned end
local marked = ARGV[6] ~= '0'
if not marked or redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[6], 'NX') then
  local failure = add_all(KEYS[marked and 3 or 2], 7)
  if failure then
    if marked then redis.call('DEL', KEYS[2]) end
    return failure
  end
end
if ARGV[5] == '1' then ack_and_delete(KEYS[1], group, ARGV[3])
else redis.call('XACK', KEYS[1], group, ARGV[3]) end
local holders = KEYS[2 + (marked and 1 or 0) + (#ARGV > 6 and 1 or 0)]
settled(holders, ARGV[3])
note_done(holders, ARGV[3])
keep_last(holders)
return owned
`,
);

/** A key that says that what it is named after has succeeded. */
export interface SuccessMarker {
  readonly key: string;
  readonly ttlMs: number;
}

/** What a success brings besides the ack. */
export interface Success {
  /** Also delete what no group needs. */
  readonly remove: boolean;
  readonly marker: SuccessMarker | undefined;
  /** In the stream's slot, each entry with at most MAX_SCRIPT_VALUES names and values. */
  readonly output?:
    | { readonly stream: StreamKey; readonly entries: readonly (readonly Buffer[])[] }
    | undefined;
}

/** One step, sent once. */
export async function succeed(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  { id, fence }: Claim,
  { remove, marker, output }: Success,
): Promise<Owned> {
  const more = [...(marker ? [marker.key] : []), ...(output ? [output.stream] : [])];
  const values = output?.entries.flatMap((fields) => [fields.length, ...fields]) ?? [];
  const head = [member.group, member.consumer, id, fence, remove ? 1 : 0, marker?.ttlMs ?? 0];
  return decodeOwned(
    await caller.run(succeedScript, settlingKeys(member, stream, ...more), [...head, ...values]),
  );
}

/** Which of the success markers, all of one slot, are there; in their order. */
export async function findSuccesses(caller: Caller, markers: readonly string[]): Promise<boolean[]> {
  return asList(await caller.call("MGET", ...markers)).map((id) => id !== null);
}

/** Sets a success marker by itself: for an entry that is not in its stream any more. */
export async function markSuccess(caller: Caller, { key, ttlMs }: SuccessMarker, id: EntryId): Promise<void> {
  await caller.call("SET", key, id, "PX", ttlMs, "NX");
}
