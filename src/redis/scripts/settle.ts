import { defineScript } from "../script.ts";
import { ADD_ALL } from "../ops/lua/add-all.ts";
import { DELETE_UNNEEDED } from "./delete-unneeded.ts";
import { OWNED } from "./owned.ts";

/**
 * Being pending for this consumer is the token of each of these steps: a blind repeat after a lost reply
 * finds the token gone and changes nothing. With order by key the last key is that of the holders (see held.ts), from
 * which an entry goes in the step that settles it.
 */

/**
 * Acks entries.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, delete ("1": also delete what no group needs), then per entry: id, fence
 * Returns  per entry: 1 acked, else as OWNED.
 */
export const ack = defineScript(
  "ack",
  `${OWNED}${DELETE_UNNEEDED}
local answers = {}
for i = 4, #ARGV, 2 do
  local owned = state(ARGV[i], ARGV[i + 1])
  if owned > 0 then
    if ARGV[3] == '1' then ack_and_delete(KEYS[1], group, ARGV[i])
    else redis.call('XACK', KEYS[1], group, ARGV[i]) end
    if KEYS[2] then redis.call('HDEL', KEYS[2], ARGV[i]) end
  end
  answers[#answers + 1] = owned
end
return answers
`,
);

/**
 * Leaves entries pending with an idle time that says when they may be taken again.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, then per entry: id, fence, idle ms, delivery count
 * Returns  per entry: 1 done; 2 it was pending, but without data, and is so no more; else as OWNED.
 */
export const requeue = defineScript(
  "requeue",
  `${OWNED}
local answers = {}
for i = 3, #ARGV, 4 do
  local id, fence, idle, count = unpack(ARGV, i, i + 3)
  local owned = state(id, fence)
  if owned == 1 then
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
      redis.call('XACK', KEYS[1], group, id)
      if KEYS[2] then redis.call('HDEL', KEYS[2], id) end
      owned = 2
    else
      local held = KEYS[2] and redis.call('HGET', KEYS[2], id)
      if held then redis.call('HSET', KEYS[2], id, count .. string.match(held, '^%S+( %S )') .. consumer) end
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
  `${OWNED}
local owned = state(ARGV[3], ARGV[4])
if owned > 0 then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
  redis.call('XACK', KEYS[1], group, ARGV[3])
  if KEYS[3] then redis.call('HDEL', KEYS[3], ARGV[3]) end
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
  `${OWNED}${DELETE_UNNEEDED}${ADD_ALL}
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
if holders then redis.call('HDEL', holders, ARGV[3]) end
return owned
`,
);
