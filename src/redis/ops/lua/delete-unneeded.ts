import { FACTS } from "./facts.ts";
import { ID_BEFORE } from "./id-before.ts";

/**
 * Lua: deletes an entry that this group has acked, unless some other group has not been given it or has not
 * acked it; then the last of them to ack deletes it. XACKDEL (Redis 8.2) knows that by itself; elsewhere the
 * groups are looked at.
 */
export const DELETE_UNNEEDED = `${ID_BEFORE}${FACTS}
local function needed(key, group, id)
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local facts = facts_of(info)
    if facts['name'] ~= group then
      if id_before(facts['last-delivered-id'], id) then return true end
      if #redis.call('XPENDING', key, facts['name'], id, id, 1) > 0 then return true end
    end
  end
  return false
end

local function ack_and_delete(key, group, id)
  local answer = redis.pcall('XACKDEL', key, group, 'ACKED', 'IDS', 1, id)
  if not answer.err then return end
  redis.call('XACK', key, group, id)
  if not needed(key, group, id) then redis.call('XDEL', key, id) end
end
`;
