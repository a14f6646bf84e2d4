import { defineScript } from "../script.ts";

/**
 * Lua that notes which entries of a stream are replays, for whoever dead-letters one of them again. The
 * IDs that one script gives follow each other, so a note is a run of them: \`first last number\` in a sorted
 * set, with the time of \`first\` as score. Notes older than the retention (by the stream's own clock) go.
 */
const NOTES = `
local runs, run = {}, {}

local function note(id, number)
  if run[3] == number then run[2] = id
  else
    run = {id, id, number}
    runs[#runs + 1] = run
  end
end

local function write_notes(key, retention)
  if not key or #runs == 0 then return end
  local ms
  for _, run in ipairs(runs) do
    ms = string.match(run[1], '^%d+')
    redis.call('ZADD', key, ms, string.format('%s %s %d', run[1], run[2], run[3]))
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', tonumber(ms) - retention))
  redis.call('PEXPIRE', key, retention)
end
`;

/**
 * Moves the next records of a queue that are exactly as streamctl writes them. It needs no client to look
 * at them, which makes it several times as fast as moveLetters. All others stay for whoever knows more.
 *
 * KEYS     the dead-letter queue, the target stream in the same slot, optionally its notes
 * ARGV     first ID, last ID, about how many records to look at, retention of notes in ms, the number of
 *          replays from which on a record stays
 * Returns  how many were moved, and where to go on: the ID to go on after, "" to begin at the first ID again
 *          because all that was looked at has gone, nil when the range has been swept. Or the error of an
 *          XADD, and then what was added before it has been deleted from the queue like the rest.
 */
export const sweepLetters = defineScript(
  "replay-all",
  `${NOTES}
-- How many values the original has, when a complete block in the writer's order follows it, and how often it
-- was replayed; nil for a record that is for others to look at.
local function original(fields)
  local n = #fields
  if n > 7900 or fields[n - 1] ~= 'dlq.replays' or fields[n - 3] ~= 'dlq.failed-at' or fields[n - 5] ~= 'dlq.stderr'
  then return nil end
  local at = fields[n - 7] == 'dlq.exit' and n - 9 or n - 7
  if fields[at] ~= 'dlq.reason' or fields[at - 2] ~= 'dlq.deliveries' or fields[at - 4] ~= 'dlq.consumer'
    or fields[at - 6] ~= 'dlq.group' or fields[at - 8] ~= 'dlq.id' or fields[at - 10] ~= 'dlq.stream'
    or at < 13 or not string.find(fields[at - 7], '^%d+%-%d+$')
  then return nil end
  return at - 11, tonumber(fields[n])
end

-- The oldest records of a queue go by whole nodes, which takes a fraction of the time of an XDEL.
local function delete(ids, are_oldest)
  local trimmed = are_oldest and redis.pcall('XTRIM', KEYS[1], 'MINID', '=', ids[#ids])
  if type(trimmed) == 'number' then redis.call('XDEL', KEYS[1], ids[#ids])
  else redis.call('XDEL', KEYS[1], unpack(ids)) end
end

local most, count, target = tonumber(ARGV[5]), tonumber(ARGV[3]), KEYS[2]
local moved, bytes, failure, go_on = 0, 0, nil, ''
-- Looked up once: this is the whole work of a long replay.
local pcall, unpack = redis.pcall, unpack

-- Moves what it may of so many records; true when all of them went, and so the next ones are first in the range.
local function step(size)
  local records = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', size)
  local gone, taken = {}, 0
  for at = 1, #records do
    local record = records[at]
    local fields = record[2]
    local length, replays = original(fields)
    if replays and replays >= 0 and replays < most then
      local id = pcall('XADD', target, '*', unpack(fields, 1, length))
      if type(id) == 'table' then
        failure = id
        break
      end
      note(id, replays + 1)
      taken = taken + 1
      gone[taken] = record[1]
      for i = 2, length, 2 do bytes = bytes + #fields[i] end
    end
  end
  local all = taken == #records
  if taken > 0 then delete(gone, all and ARGV[1] == '0-0') end
  moved = moved + taken
  if not all then go_on = records[#records][1] end
  if #records < size and all then go_on = false end
  return all and #records == size
end

-- Records may be large, and Lua holds what it has read until it collects its garbage.
local size = 10
while step(size) and moved < count and bytes < 500000 do
  size = math.max(1, math.min(100, math.floor(500000 / (bytes / moved + 1))))
end
write_notes(KEYS[3], tonumber(ARGV[4]))
return failure or {moved, go_on}
`,
);

/**
 * Moves letters to a stream in the same slot. Being in the queue is the token of each: a repeat after a
 * lost reply, or another run, finds the token gone and adds nothing.
 *
 * XDEL takes the token, and is the only check that does not send the record through Lua. It may come first
 * only once an XADD has shown that nothing (type, memory, rights) stands against one: so the first letter
 * is looked for with XRANGE and added before it is deleted.
 *
 * KEYS     the dead-letter queue, the target stream, optionally its notes
 * ARGV     replays as packReplays writes them: an array of {ID in the queue, its number of replays, fields};
 *          retention of notes in ms
 * Returns  one character per letter: 1 moved, 0 not in the queue any more. An XADD that fails fails the
 *          script before anything is changed.
 */
export const moveLetters = defineScript(
  "replay",
  `${NOTES}
local moved, writable = {}, false
for i, replay in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, fields = replay[1], replay[3]
  local there, new
  if writable then
    there = redis.call('XDEL', KEYS[1], id) == 1
    if there then new = redis.call('XADD', KEYS[2], '*', unpack(fields)) end
  else
    there = #redis.call('XRANGE', KEYS[1], id, id) == 1
    if there then
      new = redis.call('XADD', KEYS[2], '*', unpack(fields))
      redis.call('XDEL', KEYS[1], id)
      writable = true
    end
  end
  moved[i] = there and '1' or '0'
  if there then note(new, replay[2]) end
end
write_notes(KEYS[3], tonumber(ARGV[2]))
return table.concat(moved)
`,
);

/**
 * Adds the originals of letters to a stream, each once: the first half of a move across slots, and all of a
 * replay that keeps the letters. A mark in a sorted set beside the target is the token of each. It stays
 * when the letter has gone from its queue, because another run may have read the letter before.
 *
 * KEYS     the target stream, the marks beside it, its notes
 * ARGV     replays as above, retention of notes and marks in ms, what to put before a letter's ID to make
 *          its mark, now in ms
 * Returns  one character per letter: 1 added, 0 added before. A target that is not there any more holds
 *          nothing of what was added before. After an XADD that fails, what was added stays, and is marked.
 */
export const addLettersOnce = defineScript(
  "replay-once",
  `${NOTES}
local retention, now = tonumber(ARGV[2]), tonumber(ARGV[4])
-- Once a script has written, memory that has run out no longer stops it: so no DEL of what is not there.
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DEL', KEYS[2]) end
local added, failure = {}, nil
for i, replay in ipairs(cmsgpack.unpack(ARGV[1])) do
  local mark = ARGV[3] .. replay[1]
  local new = redis.call('ZADD', KEYS[2], 'NX', ARGV[4], mark) == 1
  if new then
    local id = redis.pcall('XADD', KEYS[1], '*', unpack(replay[3]))
    if type(id) == 'table' then
      redis.call('ZREM', KEYS[2], mark)
      failure = id
      break
    end
    note(id, replay[2])
  end
  added[i] = new and '1' or '0'
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - retention))
redis.call('PEXPIRE', KEYS[2], retention)
write_notes(KEYS[3], retention)
return failure or table.concat(added)
`,
);
