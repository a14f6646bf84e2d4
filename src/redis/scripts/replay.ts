import { defineScript } from "../script.ts";
import { FATE } from "./replay-fate.ts";
import { NOTES } from "./replay-notes.ts";
import { MAX_SCRIPT_VALUES } from "../ops/limits.ts";

/**
 * Replays the next records of a queue that are exactly as streamctl writes them. It needs no client to look
 * at them, which makes it several times as fast as moveLetters. All others stay for whoever knows more.
 *
 * KEYS     the dead-letter queue, the target stream in the same slot, optionally its notes
 * ARGV     reach, retention of notes in ms, the day as dayOf has it, first ID, last ID, about how many records to
 *          look at, the number of replays from which on a record stays
 * Returns  how many were added, revived and awaited; where to go on: the ID to go on after, "" to begin at the
 *          first ID again because all that was looked at has gone, nil when the range has been swept; the error
 *          of an XADD that failed, or nil: what was replayed before it has been deleted from the queue like the
 *          rest.
 */
export const sweepLetters = defineScript(
  "replay-all",
  `local reach, target = ARGV[1], KEYS[2]
${NOTES}${FATE}
local failure = find_groups()
if failure then return failure end

-- How many values the original has, when a complete block in the writer's order follows it, where the block's
-- reason stands, and how often it was replayed and delivered; nil for a record that is for others to look at.
local function original(fields)
  local n = #fields
  local deliveries
  if fields[n - 1] == 'dlq.deliveries-total' then
    deliveries = tonumber(fields[n])
    n = n - 2
  end
  if n > ${MAX_SCRIPT_VALUES} or fields[n - 1] ~= 'dlq.replays' or fields[n - 3] ~= 'dlq.failed-at'
    or fields[n - 5] ~= 'dlq.stderr'
  then return nil end
  local at = fields[n - 7] == 'dlq.exit' and n - 9 or n - 7
  if fields[at] ~= 'dlq.reason' or fields[at - 2] ~= 'dlq.deliveries' or fields[at - 4] ~= 'dlq.consumer'
    or fields[at - 6] ~= 'dlq.group' or fields[at - 8] ~= 'dlq.id' or fields[at - 10] ~= 'dlq.stream'
    or at < 13
  then return nil end
  -- More digits than this may be no ID.
  local ms, seq = string.match(fields[at - 7], '^(%d+)%-(%d+)$')
  if not ms or #ms > 19 or #seq > 19 then return nil end
  return at - 11, at, tonumber(fields[n]), deliveries or tonumber(fields[at - 1])
end

-- The oldest records of a queue go by whole nodes, which takes a fraction of the time of an XDEL.
local function delete(ids, are_oldest)
  local trimmed = are_oldest and redis.pcall('XTRIM', KEYS[1], 'MINID', '=', ids[#ids])
  if type(trimmed) == 'number' then redis.call('XDEL', KEYS[1], ids[#ids])
  else redis.call('XDEL', KEYS[1], unpack(ids)) end
end

local count, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local counts = {[ADDED] = 0, [REVIVED] = 0, [AWAITED] = 0}
local moved, bytes, go_on = 0, 0, ''
-- Looked up once: this is the whole work of a long replay.
local pcall, unpack = redis.pcall, unpack

-- Replays what it may of so many records; true when all of them went, and so the next ones are first in the range.
local function step(size)
  local records = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[5], 'COUNT', size)
  local gone, taken = {}, 0
  for i = 1, #records do
    local record = records[i]
    local fields = record[2]
    local length, at, replays, deliveries = original(fields)
    if replays and replays >= 0 and replays < most and deliveries then
      local group, id = fields[at - 5], fields[at - 7]
      local fate = fate_of(group, fields[at - 9] == target and id or '', fields, length)
      if fate == ADDED then
        local new = pcall('XADD', target, '*', unpack(fields, 1, length))
        if type(new) == 'table' then
          failure = new
          break
        end
        note(new, replays + 1, deliveries)
      elseif fate ~= HELD then
        if fate == REVIVED then fate = revive(group, id) end
        note_revival(id, group, replays + 1, deliveries)
      end
      if fate ~= HELD then
        counts[fate] = counts[fate] + 1
        taken = taken + 1
        gone[taken] = record[1]
        for i = 2, length, 2 do bytes = bytes + #fields[i] end
      end
    end
  end
  local all = taken == #records
  if taken > 0 then delete(gone, all and ARGV[4] == '0-0') end
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
write_notes(KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3]))
return {counts[ADDED], counts[REVIVED], counts[AWAITED], go_on, failure and failure.err or false}
`,
);

/** Lua: carries out what fate_of says for one replay of a pack; what became of it, or the error of an XADD. */
const CARRY_OUT = `
local function carry_out(fate, replay)
  local replays, deliveries, group, id = replay[2], replay[3], replay[4], replay[5]
  if fate == ADDED then
    local new = redis.pcall('XADD', target, '*', unpack(replay[6]))
    if type(new) == 'table' then return nil, new end
    note(new, replays, deliveries)
  else
    if fate == REVIVED then fate = revive(group, id) end
    note_revival(id, group, replays, deliveries)
  end
  return fate
end

local function fate_of_replay(replay)
  local fields = replay[6]
  local fate = fate_of(replay[4], replay[5], fields, #fields)
  return fate == ADDED and #fields > ${MAX_SCRIPT_VALUES} and LARGE or fate
end
`;

/**
 * Moves letters to a stream in the same slot. Being in the queue is the token of each: a repeat after a
 * lost reply, or another run, finds the token gone and does nothing.
 *
 * XDEL takes the token, and is the only check that does not send the record through Lua. It may come first
 * only once a command has shown that nothing (type, memory, rights) stands against it: so the first letter to
 * be added, and the first to be made pending, is looked for with XRANGE, and deleted after that.
 *
 * KEYS     the dead-letter queue, the target stream, optionally its notes
 * ARGV     reach, retention of notes in ms, the day as dayOf has it,
 *          replays as packReplays writes them: an array of
 *          {ID in the queue, its number of replays, deliveries until now, group, ID in the stream, fields}
 * Returns  one character per letter (see FATES), as far as it came; the error of an XADD that failed, or nil.
 */
export const moveLetters = defineScript(
  "replay",
  `local reach, target = ARGV[1], KEYS[2]
${NOTES}${FATE}${CARRY_OUT}
local failure = find_groups()
if failure then return failure end
local answers, proven = {}, {}
for i, replay in ipairs(cmsgpack.unpack(ARGV[4])) do
  local fate = fate_of_replay(replay)
  if fate ~= HELD and fate ~= LARGE then
    local there
    if proven[fate] then
      there = redis.call('XDEL', KEYS[1], replay[1]) == 1
    else
      there = #redis.call('XRANGE', KEYS[1], replay[1], replay[1]) == 1
    end
    if there then
      local done
      done, failure = carry_out(fate, replay)
      if failure then break end
      if not proven[fate] then redis.call('XDEL', KEYS[1], replay[1]) end
      proven[fate] = true
      fate = done
    else
      fate = ABSENT
    end
  end
  answers[i] = fate
end
write_notes(KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3]))
return {table.concat(answers), failure and failure.err or false}
`,
);

/**
 * Replays letters, each once, without the queue: the first half of a move across slots, and all of a replay that
 * keeps the letters. A mark in a sorted set beside the target is the token of each. It stays when the letter has
 * gone from its queue, because another run may have read the letter before.
 *
 * KEYS     the target stream, the marks beside it, its notes
 * ARGV     reach, retention of notes and marks in ms, the day as dayOf has it, replays as above, what to put
 *          before a letter's ID to make its mark, now in ms by the server's clock
 * Returns  as above; "absent" is what was replayed before. A target that is not there any more holds nothing of
 *          what was added before.
 */
export const addLettersOnce = defineScript(
  "replay-once",
  `local reach, target = ARGV[1], KEYS[1]
${NOTES}${FATE}${CARRY_OUT}
local failure = find_groups()
if failure then return failure end
local retention, now = tonumber(ARGV[2]), tonumber(ARGV[6])
-- Once a script has written, memory that has run out no longer stops it: so no DEL of what is not there.
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DEL', KEYS[2]) end
local answers = {}
for i, replay in ipairs(cmsgpack.unpack(ARGV[4])) do
  local mark = ARGV[5] .. replay[1]
  local fate = ABSENT
  if redis.call('ZADD', KEYS[2], 'NX', ARGV[6], mark) == 1 then
    fate = fate_of_replay(replay)
    local left = fate == HELD or fate == LARGE
    if not left then fate, failure = carry_out(fate, replay) end
    if left or failure then redis.call('ZREM', KEYS[2], mark) end
    if failure then break end
  end
  answers[i] = fate
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - retention))
redis.call('PEXPIRE', KEYS[2], retention)
write_notes(KEYS[3], retention, tonumber(ARGV[3]))
return {table.concat(answers), failure and failure.err or false}
`,
);

/**
 * Says what would become of letters, and changes nothing.
 *
 * KEYS[1]  the target stream
 * ARGV     reach, replays as above
 * Returns  one character per letter; none is absent.
 */
export const planLetters = defineScript(
  "replay-plan",
  `local reach, target = ARGV[1], KEYS[1]
${FATE}
local failure = find_groups()
if failure then return failure end
local answers = {}
for i, replay in ipairs(cmsgpack.unpack(ARGV[2])) do
  local group, id, fields = replay[4], replay[5], replay[6]
  local fate = fate_of(group, id, fields, #fields)
  if fate == REVIVED and #redis.call('XPENDING', target, group, id, id, 1) > 0 then fate = AWAITED end
  answers[i] = fate
end
return table.concat(answers)
`,
);
