import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { type Member, settlingKeys } from "./member.ts";
import { type Claim, decodeOwned, OWNED, type Owned } from "./owned.ts";
import { REPLAY_CONSUMER } from "./replay-fate.ts";
import { PUT_OFF_CONSUMER, SCHEDULE, type ScheduleKeys } from "./schedule-keys.ts";

/**
 * Puts an entry off for longer than its idle time can say: it stays in the pending list, for a consumer that no
 * process is and from which no worker takes, and the stream's schedule says when it comes back to its group (see
 * add-due.ts). As it stays pending, nothing that goes by the pending list needs to know of it: trim and --delete keep its
 * data, order by key keeps its place, the holders and an outage bring it back, its deliveries are counted where they always are.
 *
 * KEYS     the stream, its schedule's two keys; the holders
 * ARGV     group, consumer, id, fence, delivery count to leave, ms, reason
 * Returns  1 put off, by this step or before; 2 it was pending, but without data, and is so no more; else as OWNED
 * Crash    one step; a repeat finds it put off.
 */
const putOffScript = defineScript(
  "put-off",
  `${OWNED}${SCHEDULE}
local id, count = ARGV[3], ARGV[5]
local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
if row and row[2] == '${PUT_OFF_CONSUMER}' then return 1 end
local owned = state(id, ARGV[4])
if owned ~= 1 then return owned end
local holders = KEYS[4]
if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
  redis.call('XACK', KEYS[1], group, id)
  if holders then redis.call('HDEL', holders, id) end
  return 2
end
local refusal = prove_schedule(KEYS[2], KEYS[3])
if refusal then return refusal end
if holders then
  local kind = string.match(redis.call('HGET', holders, id) or '', '^%S+ (%S)') or '-'
  local due = string.format('%.0f', now_ms() + tonumber(ARGV[6]))
  redis.call('HSET', holders, id, count .. ' ' .. kind .. due .. ' ${PUT_OFF_CONSUMER}')
  redis.call('PERSIST', holders)
end
put_record(KEYS[2], KEYS[3], cmsgpack.pack({group, id, ARGV[7]}), now_ms() + tonumber(ARGV[6]))
redis.call('XCLAIM', KEYS[1], group, '${PUT_OFF_CONSUMER}', 0, id, 'IDLE', 0, 'RETRYCOUNT', count, 'JUSTID')
return 1
`,
);

/**
 * Lua: give_back(group, id) lets any worker of the group take what was put off, with the deliveries that it had: 1, or 0
 * when it is not put off any more, or the group or its stream has gone; a table is an error. Wants the stream as KEYS[1].
 */
export const GIVE_BACK = `
local function give_back(group, id)
  local row = redis.pcall('XPENDING', KEYS[1], group, id, id, 1)
  -- The group, or its stream, has gone: nothing is left to give back.
  if row.err then return string.match(row.err, 'NOGROUP') and 0 or row end
  if not row[1] or row[1][2] ~= '${PUT_OFF_CONSUMER}' then return 0 end
  local count = string.format('%.0f', math.min(row[1][4], 2 ^ 53))
  local claimed = redis.pcall('XCLAIM', KEYS[1], group, '${REPLAY_CONSUMER}', 0, id, 'TIME', 0, 'RETRYCOUNT', count, 'JUSTID')
  return claimed.err and claimed or 1
end
`;

/** For how long, why, and the delivery count that the entry comes back with: one less where this delivery does not count. */
export interface PutOff {
  readonly delayMs: number;
  readonly reason: string;
  readonly deliveries: number;
}

/** One step of one entry, which may be repeated. */
export async function putOff(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  { due, records }: ScheduleKeys,
  { id, fence }: Claim,
  { delayMs, reason, deliveries }: PutOff,
): Promise<Owned> {
  const args = [member.group, member.consumer, id, fence, deliveries, Math.ceil(delayMs), reason];
  return decodeOwned(await caller.run(putOffScript, settlingKeys(member, stream, due, records), args));
}
