/**
 * Lua that adds entries given as `count, value …` runs from ARGV[first] on, all of them or none: what was
 * added before a failure is deleted again. Returns the error, or nil and the last ID.
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
  return nil, added[#added]
end
`;
