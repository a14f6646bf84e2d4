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
 * The first half of a move across slots, on the target's slot; acking the source is the second. A crash in
 * between leaves the source entry pending and the marker set: whoever gets the entry next adds nothing
 * again. The marker is set first, because after the XADD there must be no step that memory could refuse.
 *
 * KEYS     the target stream, the marker
 * ARGV     the marker's time to live in ms, then per entry: how many values, the values
 * Returns  1 added, 0 the marker says that it was done before.
 */
export const addOnce = defineScript(
  "add-once",
  `${ADD_ALL}
if not redis.call('SET', KEYS[2], '1', 'PX', ARGV[1], 'NX') then return 0 end
local failure = add_all(KEYS[1], 2)
if failure then
  redis.call('DEL', KEYS[2])
  return failure
end
return 1
`,
);
