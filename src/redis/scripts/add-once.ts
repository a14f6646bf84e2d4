import { defineScript } from "../script.ts";

/**
 * Lua that adds entries given as \`count, value …\` runs from ARGV[first] on, all of them or none: what was
 * added before a failure is deleted again. Returns the error, or nil.
 */
export const ADD_ALL = `
local function add_all(key, first)
  local added, at = {}, first
  while at <= #ARGV do
    local count = tonumber(ARGV[at])
    local id = redis.pcall('XADD', key, '*', unpack(ARGV, at + 1, at + count))
    if type(id) == 'table' and id.err then
      for _, done in ipairs(added) do redis.call('XDEL', key, done) end
      return id
    end
    added[#added + 1] = id
    at = at + count + 1
  end
end
`;

/**
 * A move across slots in steps: begin, on the target's slot → is the entry still this worker's, on the source's →
 * add, on the target's → ack, on the source's → the marker goes. The marker is the fence: whoever began last may
 * add, and has looked whose the entry is after that. So a worker that stood still between looking and adding,
 * however long, finds that another has begun since, or that the marker is gone with the whole move: it adds
 * nothing and looks again.
 *
 * KEYS     the marker
 * ARGV     a word that no other begin has, how long it counts in ms
 * Returns  1 begun, 0 the marker says that the entry has been added: the ack alone is missing.
 */
export const beginMove = defineScript(
  "begin-move",
  `
if redis.call('GET', KEYS[1]) == '1' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`,
);

/**
 * The second half of a move across slots that lies on the target's slot. A crash after it leaves the source entry
 * pending and the marker set: whoever gets the entry next adds nothing again. The marker is set first, because
 * after the XADD there must be no step that memory could refuse.
 *
 * KEYS     the target stream, the marker
 * ARGV     the word of the begin, the marker's time to live in ms, then per entry: how many values, the values
 * Returns  1 added, 0 the marker says that it was done before, -1 another has begun since, or it is too long ago.
 */
export const addOnce = defineScript(
  "add-once",
  `${ADD_ALL}
local marker = redis.call('GET', KEYS[2])
if marker == '1' then return 0 end
if marker ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
local failure = add_all(KEYS[1], 3)
if failure then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return failure
end
return 1
`,
);
