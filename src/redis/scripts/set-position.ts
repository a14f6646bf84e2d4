import { defineScript } from "../script.ts";

/**
 * Sets a group's last-delivered ID if the group still stands where it stood when a person was told what
 * the change would skip or replay.
 *
 * KEYS[1]  the stream
 * ARGV     group, the last-delivered ID it had, the new one
 * Returns  1 done, 0 the group has moved or is gone.
 */
export const setPosition = defineScript(
  "set-position",
  `
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #row, 2 do info[row[i]] = row[i + 1] end
  if info['name'] == ARGV[1] and info['last-delivered-id'] == ARGV[2] then
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[3])
    return 1
  end
end
return 0
`,
);
