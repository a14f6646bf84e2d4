/**
 * The start of every script that acts only on entries which this consumer still owns. A plain XCLAIM or
 * XACK checks no owner: it would steal back, or settle, what another worker has taken.
 *
 * state(id): 1 pending for this consumer, -1 pending for another, 0 not pending, 2 pending again for this
 * consumer: XGROUP DELCONSUMER, or a group destroyed and made again, had thrown it away, and nobody would ever
 * have been given it again. The sign of that is a consumer that is gone while entries are in its hands, or that
 * is there only because it has asked for more since (servers from 7.2 on tell). Otherwise an entry that is not
 * pending was acked by somebody. Whoever sees a 2 must see to the other entries in hand: the sign is gone.
 *
 * hold(id, …) makes an entry pending that the group has been given and whose data exists.
 */
export const OWNED = `
local group, consumer = ARGV[1], ARGV[2]

local function value_of(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then return list[i + 1] end
  end
end

-- Compares IDs. Their digits are compared as text: they may be too many for a number of Lua's.
local function at_most(id, other)
  local a, b = string.match(id, '^(%d+)-(%d+)$')
  local c, d = string.match(other, '^(%d+)-(%d+)$')
  if a == c then a, c = b, d end
  if #a ~= #c then return #a < #c end
  return a <= c
end

local function was_given(id)
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if value_of(info, 'name') == group then return at_most(id, value_of(info, 'last-delivered-id')) end
  end
  return false
end

local function hold(id, ...)
  if not was_given(id) or #redis.call('XRANGE', KEYS[1], id, id) == 0 then return false end
  redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'FORCE', 'JUSTID', ...)
  return true
end

local gone
local function consumer_gone()
  if gone == nil then
    gone = true
    for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
      if value_of(info, 'name') == consumer then gone = value_of(info, 'inactive') == -1 end
    end
  end
  return gone
end

local function state(id)
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if row then return row[2] == consumer and 1 or -1 end
  if consumer_gone() and hold(id) then return 2 end
  return 0
end
`;

/** What such a script answers for an entry. */
export const Owned = { regained: 2, done: 1, notPending: 0, takenByOther: -1 } as const;
