import { HELD } from "./held.ts";
import { TAKING } from "./taking.ts";

/**
 * Order by key across all workers of a group. KEYS[2] is the ledger: a hash from a key (the value of the
 * ordering field) to the IDs of its entries that are not settled, blank-separated, in stream order. An
 * entry may run only as the first of its key's IDs; the others are parked: pending under whoever read them, run by
 * nobody. KEYS[3] are the holders (see held.ts).
 *
 * Reading and writing into the ledger are one step, so its order is the stream's. IDs at the front that are
 * settled, acked by hand or trimmed are passed over, so a stale ledger never blocks a key; what was thrown away is
 * made pending again there. The rule that keeps two from running one key: only a step that takes what comes next drops
 * IDs from the front. One that did not would leave the next entry parked: whoever settled the first finds it gone, and
 * believes that another has moved the key on.
 */
export const LEDGER = `
local group, consumer = ARGV[1], ARGV[2]
${HELD}
local function key_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function first_of(ids)
  return string.match(ids, '^%S+')
end

-- ids without what is settled at the front
local function live(ids)
  local id = first_of(ids)
  while id and not pending(id) do
    local held = redis.call('HGET', KEYS[3], id)
    if held then
      if not consumers()[string.match(held, '^%S+ %S+ (.*)$')] then
        restore_held(KEYS[3])
        if pending(id) then break end
      end
      redis.call('HDEL', KEYS[3], id)
    end
    ids = string.sub(ids, #id + 2)
    id = first_of(ids)
  end
  return ids
end

-- ids with id at its place: one that a worker without order read, or that is delivered once more
local function with(ids, id)
  if string.find(' ' .. ids .. ' ', ' ' .. id .. ' ', 1, true) then return ids end
  local last = string.match(ids, '%S+$')
  if not last then return id end
  if id_before(last, id) then return ids .. ' ' .. id end
  local list, placed = {}, false
  for other in string.gmatch(ids, '%S+') do
    if not placed and id_before(id, other) then
      list[#list + 1] = id
      placed = true
    end
    list[#list + 1] = other
  end
  return table.concat(list, ' ')
end

local function store(key, ids)
  if ids == '' then redis.call('HDEL', KEYS[2], key) else redis.call('HSET', KEYS[2], key, ids) end
end

local function note_holder(id, count, keyed, owner)
  redis.call('HSET', KEYS[3], id, string.format('%.0f %s %s', math.min(count, 2 ^ 53), keyed and 'k' or '-', owner))
end

ensure(KEYS[3])
`;

/** Taking an entry as in taking.ts, noted among the holders. */
export const TAKING_HELD = `${TAKING}
local function take_held(id, count, owner, fields, counted, keyed)
  take(id, count, owner, fields, counted)
  if not fields then redis.call('HDEL', KEYS[3], id)
  else note_holder(id, counted and count + 1 or count, keyed, consumer) end
end
`;
