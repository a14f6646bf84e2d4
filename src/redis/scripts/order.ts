import { defineScript } from "../script.ts";
import { HELD } from "./held.ts";
import { TAKING } from "./take.ts";

/**
 * Order by key across all workers of a group. KEYS[2] is the ledger: a hash from a key (the value of the
 * ordering field) to the IDs of its entries that are not settled, blank-separated, in stream order. An
 * entry may run only as the first of its key's IDs; the others are parked: pending under whoever read them, run by
 * nobody. KEYS[3] are the holders (see held.ts).
 *
 * Reading and writing into the ledger are one step, so its order is the stream's. IDs at the front that are
 * settled, acked by hand or trimmed are passed over, so a stale ledger never blocks a key; what was thrown away is
 * made pending again there. The rule that keeps two from running one key: whoever drops an ID from the front is
 * the one to take what comes next.
 */
const LEDGER = `
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

/** Taking an entry as in take.ts, noted among the holders. */
const TAKING_HELD = `${TAKING}
local function take_held(id, count, owner, fields, counted, keyed)
  take(id, count, owner, fields, counted)
  if not fields then redis.call('HDEL', KEYS[3], id)
  else note_holder(id, counted and count + 1 or count, keyed, consumer) end
end
`;

/**
 * Reads new entries and says which of them may start.
 *
 * KEYS     the stream, the ledger, the holders
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
local last = value_of(redis.call('XINFO', 'STREAM', KEYS[1]), 'last-generated-id')
local waiting = redis.call('XPENDING', KEYS[1], group)[1]
for i = 1, math.min(tonumber(ARGV[5]), tonumber(ARGV[6]) - waiting) do
  if #started >= tonumber(ARGV[4]) then break end
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', KEYS[1], '>')
  if not reply then break end
  local entry = reply[1][2][1]
  local id, key = entry[1], key_of(entry[2], ARGV[3])
  local ids = key and live(with(redis.call('HGET', KEYS[2], key) or '', id))
  if key then store(key, ids) end
  note_holder(id, 1, key, consumer)
  redis.call('HSET', KEYS[3], 'last', id)
  if not key or first_of(ids) == id then started[#started + 1] = entry end
end
return {started, last}
`,
);

/**
 * As take.ts, but takes an entry only when it is the first of its key.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, own, field, how many at most, which ("new":
 *          only those that are in no ledger yet), id …
 * Returns  as take: [id, deliveries, previous owner, fields] for each entry taken.
 */
export const takeInOrder = defineScript(
  "take-in-order",
  `${LEDGER}${TAKING_HELD}
local function in_ledger(id)
  return string.match(redis.call('HGET', KEYS[3], id) or '', '^%S+ (%S)') == 'k'
end

for i = 10, #ARGV do
  if #taken >= tonumber(ARGV[8]) then break end
  local id = ARGV[i]
  local row = (ARGV[9] ~= 'new' or not in_ledger(id)) and pending(id)
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = ARGV[6] ~= '0' and owner == consumer
    if mine or idle >= due_after(count) then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      local key = found and key_of(found[2], ARGV[7])
      local ids = key and live(with(redis.call('HGET', KEYS[2], key) or '', id))
      if not key or first_of(ids) == id then
        if key then store(key, ids) end
        take_held(id, count, owner, found and found[2], not mine or ARGV[6] == '2', key)
      elseif key and not in_ledger(id) then
        store(key, ids)
        note_holder(id, count, true, owner)
      end
    end
  end
end
return taken
`,
);

/**
 * Takes the first entries of keys that are due: their worker has been silent, or their retry delay has passed. Walks
 * through the ledger and not through the pending list, which is full of what is parked behind them.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, how many at most, cursor, how many keys to
 *          look at, IDs to leave alone …
 * Returns  [cursor to go on at, "0" at the end, the same when there were more to take; as take]
 */
export const takeFronts = defineScript(
  "take-fronts",
  `${LEDGER}${TAKING_HELD}
local skip = {}
for i = 9, #ARGV do skip[ARGV[i]] = true end
local scanned = redis.call('HSCAN', KEYS[2], ARGV[7], 'COUNT', ARGV[8])
for i = 1, #scanned[2], 2 do
  if #taken >= tonumber(ARGV[6]) then return {ARGV[7], taken} end
  local key, before = scanned[2][i], scanned[2][i + 1]
  local ids = live(before)
  if ids ~= before then store(key, ids) end
  local id = first_of(ids)
  local row = id and not skip[id] and pending(id)
  if row and row[3] >= due_after(row[4]) then
    local found = redis.call('XRANGE', KEYS[1], id, id)[1]
    take_held(id, row[4], row[2], found and found[2], true, true)
  end
end
return {scanned[1], taken}
`,
);

/**
 * After an entry was settled: takes the next of its key, which is parked, without counting a delivery.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, key, the settled ID
 * Returns  [id, deliveries, previous owner, fields], or nil when nothing of this key waits, or another worker has
 *          moved the key on.
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
    note_holder(id, row[4], true, consumer)
    return {id, row[4], row[2], found[2]}
  end
  redis.call('XACK', KEYS[1], group, id)
  redis.call('HDEL', KEYS[3], id)
  ids = live(ids)
  id = first_of(ids)
end
store(ARGV[3], '')
return nil
`,
);
