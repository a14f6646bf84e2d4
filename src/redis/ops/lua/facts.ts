/** Lua: the names and values of one stream, group or consumer in a reply of XINFO, as a table. */
export const FACTS = `
local function facts_of(list)
  local facts = {}
  for i = 1, #list, 2 do facts[list[i]] = list[i + 1] end
  return facts
end
`;
