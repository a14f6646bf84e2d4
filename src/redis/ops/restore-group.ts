import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { HELD } from "./lua/held.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Makes pending again what a consumer had and Redis has thrown away, together with its group where that has
 * gone, in one step: whoever looks sees both or neither. XGROUP DELCONSUMER and XGROUP DESTROY throw away what is
 * pending, and nobody would ever be given it again. When another worker has made the group meanwhile, at an ID
 * before the last that this worker has been given, it is moved on to that (where the user may): what stands between
 * was given to this worker, or before, and would be run again.
 *
 * KEYS     the stream; the holders (see held.ts), unless the user may not: what they name is made pending for those
 *          who had it, and the group made after their last ID, and after what they name of the entries that follow: a
 *          retry that is read as new has lost its count. No further, because nothing tells whether an entry that
 *          they do not name has ever been delivered.
 * ARGV     group, consumer, the ID to start after (empty: a group that has gone is left alone), then per entry that
 *          this consumer had: id, idle ms, delivery count, for how many ms Redis has not said that it is its own
 *          (0: not for so long that others may have taken it)
 * Returns  [the ID after which the group was made or to which it was moved, or nil; how many entries were made
 *          pending; 1 when the group was made].
 *          The ID is 0-0 for a stream that has gone, too, or that has been made anew with smaller IDs: all that
 *          comes there is new. An entry is made pending only when its data exists and the group has been given it
 *          (XREADGROUP would deliver it a second time), and no other consumer has taken it since.
 */
const restoreGroupScript = defineScript(
  "restore-group",
  `local group, consumer, start = ARGV[1], ARGV[2], ARGV[3]
${HELD}${TAKES_OF_GROUP}
local moved, made = false, 0
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])

-- id, or the last of the entries behind it that the holders name, without a gap.
local function past_held(id)
  while true do
    local rows = redis.call('XRANGE', KEYS[1], id, '+', 'COUNT', 2)
    if rows[1] and rows[1][1] == id then table.remove(rows, 1) end
    if not rows[1] or not redis.call('HGET', KEYS[2], rows[1][1]) then return id end
    id = rows[1][1]
  end
end

if start == '' then
  if info.err then return {false, 0, 0} end
else
  local last = KEYS[2] and redis.call('HGET', KEYS[2], 'last')
  if last and id_before(start, last) then start = last end
  if info.err or id_before(facts_of(info)['last-generated-id'], start) then start = '0-0' end
  local after = KEYS[2] and not info.err and past_held(start) or start
  local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], group, after, 'MKSTREAM')
  if not reply.err then start, moved, made = after, after, 1
  elseif string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return reply end
end

local given = last_given()
if not given then return {false, 0, 0} end
if start ~= '' and id_before(given, start) and not redis.pcall('XGROUP', 'SETID', KEYS[1], group, start)['err'] then
  given, moved = start, start
end
local count = KEYS[2] and restore_held(KEYS[2], consumer) or 0
for i = 4, #ARGV, 4 do
  local settled = KEYS[2] and ARGV[i + 3] ~= '0' and taken_since(KEYS[2], ARGV[i], ARGV[i + 2], ARGV[i + 3])
  if not settled and not pending(ARGV[i]) then count = count + hold(ARGV[i], consumer, ARGV[i + 2], ARGV[i + 1], given) end
end
return {moved, count, made}
`,
);

/** An entry that a member had, and how it stood in the pending list. */
export interface Held {
  readonly id: EntryId;
  readonly idleMs: number;
  readonly deliveries: number;
  /** For so long Redis has not said that it is this member's; 0: not for so long that others may have taken it. */
  readonly silentMs: number;
}

export interface Restored {
  /** Whether the group had to be made again. */
  readonly made: boolean;
  /** Where it was made, or moved on to. */
  readonly position: string | undefined;
  /** How many entries were made pending again. */
  readonly entries: number;
}

/**
 * Makes pending again what the member had and Redis has thrown away; first, after `start`, the group, when it has
 * gone. Without a start a group that has gone is left alone.
 */
export async function restoreGroup(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  start: string | undefined,
  held: readonly Held[],
): Promise<Restored> {
  const entries = held.flatMap(({ id, idleMs, deliveries, silentMs }) => [
    id,
    idleMs,
    deliveries,
    Math.floor(silentMs),
  ]);
  const args = [member.group, member.consumer, start ?? "", ...entries];
  const [position = null, count = 0, made] = asList(
    await caller.run(restoreGroupScript, settlingKeys(member, stream), args),
  );
  return {
    made: made === 1,
    position: position === null ? undefined : asText(position),
    entries: asNumber(count),
  };
}
