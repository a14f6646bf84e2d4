import { defineScript } from "../script.ts";
import { ADD_ALL } from "../ops/lua/add-all.ts";
import { DELETE_UNNEEDED } from "./delete-unneeded.ts";
import { KEEP_LAST } from "./held.ts";
import { ID_BEFORE } from "../ops/lua/id-before.ts";
import { OWNED } from "./owned.ts";

/**
 * Being pending for this consumer is the token of each of these steps: a blind repeat after a lost reply
 * finds the token gone and changes nothing. The last key is that of the holders (see held.ts), unless the user may not
 * have it: an entry goes from there in the step that settles it, and comes there in the one that leaves it for later.
 */
const SETTLED = `${ID_BEFORE}${KEEP_LAST}
local function settled(holders, id)
  if not holders then return end
  redis.call('HDEL', holders, id)
  note_settled(id)
end
`;

/**
 * Acks entries.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, delete ("1": also delete what no group needs), then per entry: id, fence
 * Returns  per entry: 1 acked, else as OWNED.
 */
export const ack = defineScript(
  "ack",
  `${OWNED}${DELETE_UNNEEDED}${SETTLED}
local answers = {}
for i = 4, #ARGV, 2 do
  local owned = state(ARGV[i], ARGV[i + 1])
  if owned > 0 then
    if ARGV[3] == '1' then ack_and_delete(KEYS[1], group, ARGV[i])
    else redis.call('XACK', KEYS[1], group, ARGV[i]) end
    settled(KEYS[2], ARGV[i])
  end
  answers[#answers + 1] = owned
end
keep_last(KEYS[2])
return answers
`,
);

/**
 * Leaves entries pending with an idle time that says when they may be taken again.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, then per entry: id, fence, idle ms, delivery count, the idle time at which it is due
 * Returns  per entry: 1 done; 2 it was pending, but without data, and is so no more; else as OWNED.
 */
export const requeue = defineScript(
  "requeue",
  `${OWNED}
local answers = {}
for i = 3, #ARGV, 5 do
  local id, fence, idle, count, due = unpack(ARGV, i, i + 4)
  local owned = state(id, fence)
  if owned == 1 then
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
      redis.call('XACK', KEYS[1], group, id)
      if KEYS[2] then redis.call('HDEL', KEYS[2], id) end
      owned = 2
    else
      if KEYS[2] then
        local kind = string.match(redis.call('HGET', KEYS[2], id) or '', '^%S+ (%S)') or '-'
        redis.call('HSET', KEYS[2], id, count .. ' ' .. kind .. due .. ' ' .. consumer)
      end
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'IDLE', idle, 'RETRYCOUNT', count, 'JUSTID')
    end
  end
  answers[#answers + 1] = owned
end
return answers
`,
);

/**
 * Moves one entry to the dead-letter queue in the same slot: still mine → XADD → XACK, in one step.
 *
 * KEYS     the stream, the dead-letter queue; the holders
 * ARGV     group, consumer, id, fence, then the record's names and values
 * Returns  1 moved, else as OWNED. An XADD that fails (memory, type) fails the script before the XACK.
 */
export const deadLetter = defineScript(
  "dead-letter",
  `${OWNED}${SETTLED}
local owned = state(ARGV[3], ARGV[4])
if owned > 0 then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
  redis.call('XACK', KEYS[1], group, ARGV[3])
  settled(KEYS[3], ARGV[3])
  keep_last(KEYS[3])
end
return owned
`,
);

/**
 * Acks one entry together with what its success brings: a marker for its key, output entries.
 *
 * KEYS     the stream; then, as ARGV says, the marker and the output stream; the holders
 * ARGV     group, consumer, id, fence, delete ("1": also delete what no group needs), marker's time to live in ms
 *          (0: no marker), then per output entry: how many values, the values
 * Returns  1 acked, else as OWNED. When the marker is there already, the key has succeeded before: the entry is
 *          acked, and nothing is put out. An output that fails (memory, type) fails the whole step.
 */
export const succeed = defineScript(
  "succeed",
  `${OWNED}${DELETE_UNNEEDED}${ADD_ALL}${SETTLED}
local owned = state(ARGV[3], ARGV[4])
if owned < 1 then return owned end
local marked = ARGV[6] ~= '0'
if not marked or redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[6], 'NX') then
  local failure = add_all(KEYS[marked and 3 or 2], 7)
  if failure then
    if marked then redis.call('DEL', KEYS[2]) end
    return failure
  end
end
if ARGV[5] == '1' then ack_and_delete(KEYS[1], group, ARGV[3])
else redis.call('XACK', KEYS[1], group, ARGV[3]) end
local holders = KEYS[2 + (marked and 1 or 0) + (#ARGV > 6 and 1 or 0)]
settled(holders, ARGV[3])
keep_last(holders)
return owned
`,
);
