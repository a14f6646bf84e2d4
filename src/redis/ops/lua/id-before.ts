/** Lua: whether ID a comes before ID b. As text, because a Lua number does not hold 64 bits. */
export const ID_BEFORE = `
local function id_before(a, b)
  local aMs, aSeq = string.match(a, '(%d+)-(%d+)')
  local bMs, bSeq = string.match(b, '(%d+)-(%d+)')
  if #aMs ~= #bMs then return #aMs < #bMs end
  if aMs ~= bMs then return aMs < bMs end
  if #aSeq ~= #bSeq then return #aSeq < #bSeq end
  return aSeq < bSeq
end
`;
