import { defineScript } from "../script.ts";
import { OWNED } from "./owned.ts";

/**
 * Makes a group that has vanished, and its pending list as far as this consumer knows it, in one step:
 * whoever looks sees both or neither. When another worker has made the group meanwhile, the second half
 * alone is done.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, the ID to start after, then per entry that this consumer had: id, idle ms, delivery
 *          count
 * Returns  the ID after which the group was made, or nil when it was there. It is 0-0 for a stream that has
 *          gone, too, or that has been made anew with smaller IDs: all that comes there is new.
 */
export const restoreGroup = defineScript(
  "restore-group",
  `${OWNED}
local start = ARGV[3]
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err or not at_most(start, value_of(info, 'last-generated-id')) then start = '0-0' end
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], group, start, 'MKSTREAM')
if reply.err and string.sub(reply.err, 1, 9) ~= 'BUSYGROUP' then return reply end
for i = 4, #ARGV, 3 do
  if #redis.call('XPENDING', KEYS[1], group, ARGV[i], ARGV[i], 1) == 0 then
    hold(ARGV[i], 'IDLE', ARGV[i + 1], 'RETRYCOUNT', ARGV[i + 2])
  end
end
if reply.err then return false end
return start
`,
);
