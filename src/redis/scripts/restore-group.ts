import { defineScript } from "../script.ts";
import { ID_BEFORE } from "./id-order.ts";

/**
 * Makes pending again what a consumer had and Redis has thrown away, together with its group where that has
 * gone, in one step: whoever looks sees both or neither. XGROUP DELCONSUMER and XGROUP DESTROY throw away what is
 * pending, and nobody would ever be given it again. When another worker has made the group meanwhile, at an ID
 * before the last that this worker has been given, it is moved on to that (where the user may): what stands between
 * was given to this worker, or before, and would be run again.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, the ID to start after (empty: a group that has gone is left alone), then per entry that
 *          this consumer had: id, idle ms, delivery count
 * Returns  [the ID after which the group was made or to which it was moved, or nil; how many entries were made
 *          pending; 1 when the group was made].
 *          The ID is 0-0 for a stream that has gone, too, or that has been made anew with smaller IDs: all that
 *          comes there is new. An entry is made pending only when its data exists and the group has been given it:
 *          XREADGROUP would deliver it a second time.
 */
export const restoreGroup = defineScript(
  "restore-group",
  `${ID_BEFORE}
local group, consumer, start = ARGV[1], ARGV[2], ARGV[3]

local function value_of(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then return list[i + 1] end
  end
end

local moved, made = false, 0
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if start == '' then
  if info.err then return {false, 0, 0} end
else
  if info.err or id_before(value_of(info, 'last-generated-id'), start) then start = '0-0' end
  local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], group, start, 'MKSTREAM')
  if not reply.err then moved, made = start, 1
  elseif string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return reply end
end

local given
for _, facts in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if value_of(facts, 'name') == group then given = value_of(facts, 'last-delivered-id') end
end
if not given then return {false, 0, 0} end
if start ~= '' and id_before(given, start) and not redis.pcall('XGROUP', 'SETID', KEYS[1], group, start)['err'] then
  given, moved = start, start
end
local count = 0
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 0 and not id_before(given, id)
    and #redis.call('XRANGE', KEYS[1], id, id) > 0 then
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id,
      'FORCE', 'JUSTID', 'IDLE', ARGV[i + 1], 'RETRYCOUNT', ARGV[i + 2])
    count = count + 1
  end
end
return {moved, count, made}
`,
);
