/** So many takes of a group are remembered. */
const TAKES = 1_000;

/**
 * Lua for the last takes of a group, whose delivery counts they raised. They stand among the holders (see held.ts): the
 * field "takes" counts them, "take N", where N goes round, has the `id count` of one. What a verdict settled after a
 * take is in neither list, like what XGROUP DELCONSUMER or DESTROY threw away; by its take a consumer that was silent
 * for long can tell which of the two became of what it had. An entry whose take is forgotten passes for thrown away.
 */
export const TAKES_OF_GROUP = `
local function note_take(holders, id, count)
  local at = redis.call('HINCRBY', holders, 'takes', 1) % ${TAKES}
  redis.call('HSET', holders, 'take ' .. at, id .. ' ' .. string.format('%.0f', math.min(count, 2 ^ 53)))
end

local takes
-- Whether the entry was taken after it had been delivered so often.
local function taken_since(holders, id, count)
  if not takes then
    takes = {}
    local names = {}
    for at = 1, math.min(redis.call('HGET', holders, 'takes') or 0, ${TAKES}) do names[at] = 'take ' .. at % ${TAKES} end
    for _, noted in ipairs(#names > 0 and redis.call('HMGET', holders, unpack(names)) or {}) do
      local entry, after = string.match(noted or '', '^(%S+) (%S+)$')
      if entry then takes[entry] = math.max(takes[entry] or 0, tonumber(after)) end
    end
  end
  return (takes[id] or 0) > tonumber(count)
end
`;
