import { defineScript } from "../script.ts";

/**
 * Lua that all replays share. What is to be replayed comes as one MessagePack argument (see packReplays):
 * a thousand small arguments would cost the client more than the script costs the server.
 *
 * The memory is a sorted set beside the target: an entry's ID with the number of its replays, and what was
 * replayed across slots or is kept, so that it is not replayed again. A score is
 * \`when in ms * 1024 + number\`; what is older than the retention is dropped.
 */
const REPLAYS = `
local now, retention = tonumber(ARGV[1]), tonumber(ARGV[2])
local replays = cmsgpack.unpack(ARGV[3])

local function score(number)
  return string.format('%.0f', now * 1024 + math.min(number, 1023))
end

local function prune(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', (now - retention) * 1024))
  redis.call('PEXPIRE', key, retention)
end
`;

/**
 * Moves dead letters to a stream in the same slot. Being in the queue is the token of each: a repeat after
 * a lost reply, or another run, finds the token gone and adds nothing.
 *
 * XDEL takes the token, and is the only check that does not send the record through Lua. It may come first
 * only once an XADD has shown that nothing (type, memory, rights) stands against one: so the first letter
 * is looked for with XRANGE and added before it is deleted.
 *
 * KEYS     the dead-letter queue, the target stream, optionally the target's memory
 * ARGV     now in ms, retention in ms, replays: an array of {id in the queue, its number of replays, fields}
 * Returns  one character per letter: 1 moved, 0 not in the queue any more. An XADD that fails fails the
 *          script before anything is changed.
 */
export const moveLetters = defineScript(
  "replay",
  `${REPLAYS}
local moved, numbers, writable = {}, {}, false
for i, replay in ipairs(replays) do
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
  if there then
    numbers[#numbers + 1] = score(replay[2])
    numbers[#numbers + 1] = new
  end
end
if KEYS[3] and #numbers > 0 then
  redis.call('ZADD', KEYS[3], unpack(numbers))
  prune(KEYS[3])
end
return table.concat(moved)
`,
);

/**
 * Adds the originals of dead letters to a stream, each once: the first half of a move across slots, and all
 * of a replay that keeps the letters. A name in the target's memory is the token. It is not removed when
 * the letter has gone from its queue, because another run may have read the letter before.
 *
 * KEYS     the target stream, its memory
 * ARGV     now in ms, retention in ms, replays as above, what to put before a letter's ID to name it
 * Returns  one character per letter: 1 added, 0 added before. A target that is not there any more has
 *          nothing of what was added before. A failing XADD fails the script; what was added stays, named.
 */
export const addLettersOnce = defineScript(
  "replay-once",
  `${REPLAYS}
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
local added = {}
for i, replay in ipairs(replays) do
  local name = ARGV[4] .. replay[1]
  local new = redis.call('ZADD', KEYS[2], 'NX', score(0), name) == 1
  if new then
    local id = redis.pcall('XADD', KEYS[1], '*', unpack(replay[3]))
    if type(id) == 'table' then
      redis.call('ZREM', KEYS[2], name)
      return id
    end
    redis.call('ZADD', KEYS[2], score(replay[2]), id)
  end
  added[i] = new and '1' or '0'
end
prune(KEYS[2])
return table.concat(added)
`,
);
