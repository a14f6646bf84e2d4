import { NOW_MS } from "./now.ts";

/** So many takes of a group are remembered. */
const TAKES = 1_000;

/**
 * Lua for the last takes of a group, whose delivery counts they raised. They stand among the holders (see held.ts): the
 * field "takes" counts them, "take N", where N goes round, has `id/count/ms` of one, ms by the server's clock; no blanks,
 * which are in what tells of an entry. What a verdict settled after a take is in neither list, like what XGROUP DELCONSUMER
 * or DESTROY threw away; by its take a consumer that was silent for long can tell which of the two became of what it had.
 * Where more were noted in the time in question than are remembered, that is not known, and an entry passes for settled:
 * pauses come more often than somebody deletes a consumer in one.
 *
 * What was settled by more than an ack (a dead letter, outputs) is noted in the same way, with a count beyond all: by that
 * a worker whose reply was lost knows its own success from what was thrown away before its step came.
 *
 * The count tells a take from the consumer's own. It is no proof that the take came later: a replay, a group that was set
 * back and a claim by hand begin to count anew.
 */
export const TAKES_OF_GROUP = `${NOW_MS}
local function note_take(holders, id, count)
  local at = redis.call('HINCRBY', holders, 'takes', 1) % ${TAKES}
  redis.call('HSET', holders, 'take ' .. at, string.format('%s/%.0f/%.0f', id, math.min(count, 2 ^ 53), now_ms()))
end

-- A step that did more than to ack has settled the entry.
local function note_done(holders, id)
  if holders then note_take(holders, id, 2 ^ 53) end
end

local takes
-- Since when all takes are remembered; nil: for ever.
local oldest
-- Whether the entry was taken within so many ms, after it had been delivered so often; and whether that is known: where it
-- is not, the entry passes for taken.
local function taken_since(holders, id, count, within_ms)
  if not takes then
    takes = {}
    local names, noted_ever = {}, tonumber(redis.call('HGET', holders, 'takes') or 0)
    for at = 1, math.min(noted_ever, ${TAKES}) do names[at] = 'take ' .. at % ${TAKES} end
    for _, noted in ipairs(#names > 0 and redis.call('HMGET', holders, unpack(names)) or {}) do
      local entry, after, at = string.match(noted or '', '^(.+)/(.+)/(.+)$')
      if entry then
        takes[entry] = takes[entry] or {}
        table.insert(takes[entry], {count = tonumber(after), at = tonumber(at)})
        if noted_ever > ${TAKES} then oldest = math.min(oldest or math.huge, tonumber(at)) end
      end
    end
  end
  local since = now_ms() - within_ms
  for _, take in ipairs(takes[id] or {}) do
    if take.count > tonumber(count) and take.at >= since then return true, true end
  end
  if oldest and oldest > since then return true, false end
  return false, true
end
`;
