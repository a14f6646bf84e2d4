import { defineScript } from "../script.ts";
import { OWNED } from "./owned.ts";

/**
 * Being pending for this consumer is the token of each of these steps: a blind repeat after a lost reply
 * finds the token gone and changes nothing.
 */

/**
 * Acks entries.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, delete ("1": also XDEL), id …
 * Returns  per id: 1 acked, -1 owned by another consumer, 0 not pending any more.
 */
export const ack = defineScript(
  "ack",
  `${OWNED}
local answers = {}
for i = 4, #ARGV do
  local owned = state(ARGV[i])
  if owned == 1 then
    redis.call('XACK', KEYS[1], group, ARGV[i])
    if ARGV[3] == '1' then redis.call('XDEL', KEYS[1], ARGV[i]) end
  end
  answers[#answers + 1] = owned
end
return answers
`,
);

/**
 * Leaves entries pending with an idle time that says when they may be taken again.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, then per entry: id, idle ms, delivery count (-1: leave it)
 * Returns  per entry: 1 done, -1 owned by another consumer, 0 not pending any more.
 */
export const requeue = defineScript(
  "requeue",
  `${OWNED}
local answers = {}
for i = 3, #ARGV, 3 do
  local owned = state(ARGV[i])
  if owned == 1 then
    if ARGV[i + 2] == '-1' then
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'IDLE', ARGV[i + 1], 'JUSTID')
    else
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'IDLE', ARGV[i + 1], 'RETRYCOUNT', ARGV[i + 2], 'JUSTID')
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
 * KEYS     the stream, the dead-letter queue
 * ARGV     group, consumer, id, then the record's names and values
 * Returns  1 moved, -1 owned by another consumer, 0 not pending any more. An XADD that fails (memory, type)
 *          fails the script before the XACK.
 */
export const deadLetter = defineScript(
  "dead-letter",
  `${OWNED}
local owned = state(ARGV[3])
if owned == 1 then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
  redis.call('XACK', KEYS[1], group, ARGV[3])
end
return owned
`,
);

/** More arguments than this do not fit into one Lua call. */
export const MAX_SCRIPT_VALUES = 7_900;

/**
 * The first half of a move across slots, on the dead-letter queue's slot. The second is `ack`. A crash in
 * between leaves the entry pending and the marker set: whoever gets the entry next adds no second record.
 * The marker is set first, because after the XADD there must be no step left that memory could refuse.
 *
 * KEYS     the dead-letter queue, the marker
 * ARGV     marker's time to live in seconds, then the record's names and values
 * Returns  1 added, 0 the marker says that it was added before.
 */
export const deadLetterOnce = defineScript(
  "dead-letter-once",
  `
if not redis.call('SET', KEYS[2], '1', 'EX', ARGV[1], 'NX') then return 0 end
local added = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, 2))
if type(added) == 'table' and added.err then
  redis.call('DEL', KEYS[2])
  return added
end
return 1
`,
);
