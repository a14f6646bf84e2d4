import { defineScript } from "../script.ts";

/**
 * Adds an entry unless one with the same idempotency key was added within the marker's time to live. The
 * marker holds the ID of the entry that was added for its key. It is set first, empty, because after the
 * XADD there must be no step that memory or missing rights could refuse; an empty one counts as absent.
 *
 * KEYS     the stream, the key's marker
 * ARGV     the marker's time to live in ms, then XADD's arguments after its key
 * Returns  the new ID; {ID} when the marker was there; nil when NOMKSTREAM finds no stream; XADD's error.
 */
export const addKeyed = defineScript(
  "add-keyed",
  `
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then
  local there = redis.call('GET', KEYS[2])
  if there ~= '' then return {there} end
end
local id = redis.pcall('XADD', KEYS[1], unpack(ARGV, 2))
if type(id) ~= 'string' then
  redis.pcall('DEL', KEYS[2])
  return id
end
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return id
`,
);
