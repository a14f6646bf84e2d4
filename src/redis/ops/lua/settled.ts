import { ID_BEFORE } from "./id-before.ts";

/**
 * Lua for verdicts, whose last key is that of the holders (see held.ts), unless the user may not have it: settled() in
 * the step that settles an entry, then keep_last() once, which keeps "last", without order by key, as far ahead as
 * entries are settled.
 */
export const SETTLED = `${ID_BEFORE}
local settled_last
local function note_settled(id)
  if not settled_last or id_before(settled_last, id) then settled_last = id end
end

local function keep_last(holders)
  if not holders or not settled_last then return end
  local last = redis.call('HGET', holders, 'last')
  if not last or id_before(last, settled_last) then redis.call('HSET', holders, 'last', settled_last) end
  redis.call('PERSIST', holders)
end

local function settled(holders, id)
  if not holders then return end
  redis.call('HDEL', holders, id)
  note_settled(id)
end
`;
