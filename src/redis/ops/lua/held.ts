import { FACTS } from "./facts.ts";
import { ID_BEFORE } from "./id-before.ts";

/**
 * The holders of a group: a hash beside the stream, from entries that are not settled to `count kind consumer`: the
 * delivery count; "k" for an entry that has a key to be ordered by, "-" for others; and the consumer that has the entry.
 * Behind the kind of one that its consumer has left pending stands when it is due, in ms of the server's clock: whoever
 * takes it takes that away, so it tells what waits from what may be running.
 * With order by key it has every such entry, else those that were left pending for a later run: retries, and what was
 * handed back.
 *
 * The pending list knows that, too; but XGROUP DELCONSUMER and DESTROY throw that away, also for entries that no living
 * worker knows of. A verdict takes the entry out in the step that acks it. So what is among the holders and not pending
 * was thrown away, if its consumer is not there, or else acked by hand.
 *
 * The field "last" tells where to make a group again that was destroyed: with order by key the last ID that the group
 * was given, else the highest that was settled. With order by key, every script that may make a consumer anew looks
 * first for what was thrown away (`ensure`).
 *
 * When all consumers have left the holders may be about to expire (see forget-consumer.ts): what writes to them for longer
 * makes them stay.
 *
 * What a consumer has is restored by others, too, and then looks to it as if it had been there all the time. So the
 * field "lost NAME" tells how often that happened in the group ("losses") when its entries were restored last.
 *
 * Wants `group` and `consumer`.
 */
export const HELD = `${ID_BEFORE}${FACTS}
local function pending(id)
  return redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
end

local function last_given()
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local facts = facts_of(info)
    if facts['name'] == group then return facts['last-delivered-id'] end
  end
end

local function consumers()
  local names = {}
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do names[facts_of(info)['name']] = true end
  return names
end

-- Makes an entry pending that the group has been given and whose data exists.
local function hold(id, owner, count, idle, given)
  if id_before(given, id) or #redis.call('XRANGE', KEYS[1], id, id) == 0 then return 0 end
  redis.call('XCLAIM', KEYS[1], group, owner, 0, id, 'FORCE', 'JUSTID', 'IDLE', idle, 'RETRYCOUNT', count)
  return 1
end

-- Makes pending again, for the consumers that had it, what was thrown away; gives how many. A consumer that is known to have lost all that it had counts as not there.
local function restore_held(holders, bereft)
  local known, given, count = consumers(), last_given(), 0
  if bereft then known[bereft] = nil end
  local all, losses = redis.call('HGETALL', holders), {}
  for i = 1, #all, 2 do
    local deliveries, owner = string.match(all[i + 1], '^(%S+) %S+ (.*)$')
    if owner and not known[owner] and not pending(all[i]) then
      if owner ~= bereft and not losses[owner] then
        losses[owner] = true
        redis.call('HSET', holders, 'lost ' .. owner, redis.call('HINCRBY', holders, 'losses', 1))
      end
      count = count + hold(all[i], owner, deliveries, 0, given)
      if not pending(all[i]) and not id_before(given, all[i]) then redis.call('HDEL', holders, all[i]) end
    end
  end
  return count
end

local function ensure(holders)
  redis.call('PERSIST', holders)
  if #redis.call('XPENDING', KEYS[1], group, '-', '+', 1, consumer) > 0 then return end
  if not consumers()[consumer] then restore_held(holders) end
end
`;
