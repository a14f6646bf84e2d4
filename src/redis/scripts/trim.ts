import { defineScript } from "../script.ts";
import { ID_BEFORE } from "./id-order.ts";

/**
 * Trims a stream up to an ID, but never what some group has not been given or has not acked. The bound is
 * computed and applied in one step: nobody can make or rewind a group in between.
 *
 * KEYS[1]  the stream
 * ARGV     the first ID to keep; how: "=" exactly, "~" whole nodes only, "?" not at all; "1" to heed the
 *          groups, "0" not to; how many entries may go at most (about 10,000 hold the server for a ms)
 * Returns  how many entries went, the first ID kept for the groups' sake, the group that holds it, "1" when
 *          an entry is pending there and "0" when it has not been delivered. The last three are nil when no
 *          group needs anything before the ID asked for. Repeat it until none goes.
 * Servers  before 6.2 can't trim by ID: there entries are deleted one by one, exactly, and Lua reads them.
 */
export const trimStream = defineScript(
  "trim",
  `${ID_BEFORE}
local function after(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local function increment(digits)
    local head, nines = string.match(digits, '^(.-)(9*)$')
    local last = string.match(head, '%d$')
    head = last and string.sub(head, 1, -2) .. tostring(tonumber(last) + 1) or '1'
    return head .. string.rep('0', #nines)
  end
  if seq == '18446744073709551615' then return increment(ms) .. '-0' end
  return ms .. '-' .. increment(seq)
end

local cut, held, holder, pending = ARGV[1], nil, nil, nil
if ARGV[3] == '1' then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local facts = {}
    for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
    local oldest = redis.call('XPENDING', KEYS[1], facts['name'], '-', '+', 1)[1]
    local first = oldest and oldest[1] or after(facts['last-delivered-id'])
    if id_before(first, cut) then
      cut, held, holder, pending = first, first, facts['name'], oldest and '1' or '0'
    end
  end
end

local function delete_before(count)
  local ids = {}
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', cut, 'COUNT', count)) do
    if id_before(entry[1], cut) then ids[#ids + 1] = entry[1] end
  end
  return #ids == 0 and 0 or redis.call('XDEL', KEYS[1], unpack(ids))
end

local gone = 0
if ARGV[2] ~= '?' then
  gone = redis.pcall('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[4])
  if type(gone) == 'table' then
    if not string.find(gone.err, 'syntax error') then return gone end
    gone = delete_before(200)
  elseif gone == 0 and ARGV[2] == '=' then
    gone = redis.call('XTRIM', KEYS[1], 'MINID', '=', cut)
  end
end
return {gone, held or false, holder or false, pending or false}
`,
);
