import { defineScript } from "../script.ts";
import { TAKING } from "./take.ts";

/**
 * Order by key across all workers of a group. KEYS[2] is the ledger: a hash from a key (the value of the
 * ordering field) to the IDs of its entries that are not settled, blank-separated, in stream order. An
 * entry may run only as the first of its key's pending IDs; the others are parked: pending under whoever
 * read them, run by nobody.
 *
 * Reading and writing into the ledger are one step, so its order is the stream's. IDs at the front that are
 * not pending any more (settled by a worker that then died, acked by hand, trimmed) are passed over, so a
 * stale ledger never blocks a key. The rule that keeps two from running one key: whoever drops an ID from
 * the front is the one to take what comes next.
 */
const LEDGER = `
local group, consumer = ARGV[1], ARGV[2]

local function pending(id)
  return redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
end

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
    ids = string.sub(ids, #id + 2)
    id = first_of(ids)
  end
  return ids
end

local function store(key, ids)
  if ids == '' then redis.call('HDEL', KEYS[2], key) else redis.call('HSET', KEYS[2], key, ids) end
end
`;

/**
 * Reads new entries and says which of them may start.
 *
 * KEYS     the stream, the ledger
 * ARGV     group, consumer, field, how many may start, how many to read at most, how many may be pending
 * Returns  [[[id, fields] …], the stream's last ID]: the entries that may start. The others read are parked.
 *          Nothing is read while more than the limit is pending. Never blocks.
 * Crash    a lost reply leaves entries pending for this consumer: the first ones are taken again like any
 *          other pending entry.
 */
export const readInOrder = defineScript(
  "read-in-order",
  `${LEDGER}
local started = {}
local last = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #last, 2 do
  if last[i] == 'last-generated-id' then last = last[i + 1] break end
end
local waiting = redis.call('XPENDING', KEYS[1], group)[1]
for i = 1, math.min(tonumber(ARGV[5]), tonumber(ARGV[6]) - waiting) do
  if #started >= tonumber(ARGV[4]) then break end
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', KEYS[1], '>')
  if not reply then break end
  local entry = reply[1][2][1]
  local key = key_of(entry[2], ARGV[3])
  if not key then
    started[#started + 1] = entry
  else
    local ids = redis.call('HGET', KEYS[2], key) or ''
    if live(ids) == '' then
      store(key, entry[1])
      started[#started + 1] = entry
    else
      store(key, ids .. ' ' .. entry[1])
    end
  end
end
return {started, last}
`,
);

/**
 * As take.ts, but takes an entry only when it is the first of its key.
 *
 * KEYS     the stream, the ledger
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, own, field, how many at most, id …
 * Returns  as take: [id, deliveries, previous owner, fields] for each entry taken.
 */
export const takeInOrder = defineScript(
  "take-in-order",
  `${LEDGER}
${TAKING}
-- ids with id at its place; an entry that a worker without order read is in no ledger yet
local function with(ids, id)
  if string.find(' ' .. ids .. ' ', ' ' .. id .. ' ', 1, true) then return ids end
  local list, placed = {}, false
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  for other in string.gmatch(ids, '%S+') do
    local otherMs, otherSeq = string.match(other, '(%d+)-(%d+)')
    local before = #ms < #otherMs or (#ms == #otherMs and ms < otherMs)
      or (ms == otherMs and (#seq < #otherSeq or (#seq == #otherSeq and seq < otherSeq)))
    if before and not placed then
      list[#list + 1] = id
      placed = true
    end
    list[#list + 1] = other
  end
  if not placed then list[#list + 1] = id end
  return table.concat(list, ' ')
end

for i = 9, #ARGV do
  if #taken >= tonumber(ARGV[8]) then break end
  local id = ARGV[i]
  local row = pending(id)
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = ARGV[6] ~= '0' and owner == consumer
    if mine or idle >= due_after(count) then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      local key = found and key_of(found[2], ARGV[7])
      local ids = key and live(with(redis.call('HGET', KEYS[2], key) or '', id))
      if not key or first_of(ids) == id then
        if key then store(key, ids) end
        take(id, count, owner, found and found[2], not mine or ARGV[6] == '2')
      end
    end
  end
end
return taken
`,
);

/**
 * After an entry was settled: takes the next of its key, which is parked, without counting a delivery.
 *
 * KEYS     the stream, the ledger
 * ARGV     group, consumer, key, the settled ID
 * Returns  [id, deliveries, previous owner, fields], or nil when nothing of this key waits, or somebody else
 *          has moved the key on.
 * Crash    before it runs, the next entry stays parked until it has been idle for claimIdle, and is taken
 *          like the entry of a worker that died.
 */
export const nextInOrder = defineScript(
  "next-in-order",
  `${LEDGER}
local ids = redis.call('HGET', KEYS[2], ARGV[3])
if not ids or not string.find(' ' .. ids .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then return nil end
ids = live(ids)
local id = first_of(ids)
while id do
  local found = redis.call('XRANGE', KEYS[1], id, id)[1]
  if found then
    store(ARGV[3], ids)
    local row = pending(id)
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
    return {id, row[4], row[2], found[2]}
  end
  redis.call('XACK', KEYS[1], group, id)
  ids = live(ids)
  id = first_of(ids)
end
store(ARGV[3], '')
return nil
`,
);
