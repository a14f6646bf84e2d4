import { ID_BEFORE } from "../ops/lua/id-before.ts";

/**
 * Lua around the holders: with order by key, a hash from each entry that is not settled to its delivery count, whether
 * it has a key ("k") or none ("-"), and its consumer, blank-separated. The pending list knows that, too; but XGROUP DELCONSUMER and DESTROY throw that away, also for entries
 * that no worker knows of: parked ones, and those of workers that died. A verdict takes the entry out in the step
 * that acks it. So what is among the holders and not pending was thrown away, if its consumer is not there, or else
 * acked by hand. The field "last" is the last ID that the group was given: where to make the group again. Every script that may make a consumer anew looks for that first (`ensure`).
 *
 * Wants `group` and `consumer`.
 */
export const HELD = `${ID_BEFORE}
local function value_of(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then return list[i + 1] end
  end
end

local function pending(id)
  return redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
end

local function last_given()
  for _, facts in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if value_of(facts, 'name') == group then return value_of(facts, 'last-delivered-id') end
  end
end

local function consumers()
  local names = {}
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do names[value_of(info, 'name')] = true end
  return names
end

-- Makes an entry pending that the group has been given and whose data exists.
local function hold(id, owner, count, idle, given)
  if id_before(given, id) or #redis.call('XRANGE', KEYS[1], id, id) == 0 then return 0 end
  redis.call('XCLAIM', KEYS[1], group, owner, 0, id, 'FORCE', 'JUSTID', 'IDLE', idle, 'RETRYCOUNT', count)
  return 1
end

-- Makes pending again, for the consumers that had it, what was thrown away. Gives how many.
local function restore_held(holders)
  local known, given, count = consumers(), last_given(), 0
  local all = redis.call('HGETALL', holders)
  for i = 1, #all, 2 do
    local deliveries, owner = string.match(all[i + 1], '^(%S+) %S (.*)$')
    if owner and not known[owner] and not pending(all[i]) then
      count = count + hold(all[i], owner, deliveries, 0, given)
      if not pending(all[i]) and not id_before(given, all[i]) then redis.call('HDEL', holders, all[i]) end
    end
  end
  return count
end

local function ensure(holders)
  if #redis.call('XPENDING', KEYS[1], group, '-', '+', 1, consumer) > 0 then return end
  if not consumers()[consumer] then restore_held(holders) end
end
`;
