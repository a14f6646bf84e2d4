import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Lua that removes a consumer which has nothing pending. KEYS[2] are the holders (see lua/held.ts), if they are kept: an entry
 * that the consumer had there and that is not pending was acked by hand. Without the consumer it would look thrown away.
 *
 * Wants `group`.
 */
export const FORGET = `
local function forget(name)
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, name)
  if not KEYS[2] then return end
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^%S+ %S+ (.*)$') == name then redis.call('HDEL', KEYS[2], all[i]) end
  end
  redis.call('HDEL', KEYS[2], 'lost ' .. name)
end
`;

/** Lua for a consumer that leaves: the last one takes the holders along, when they name no entry. */
const TAKE_ALONG = `
local function take_along()
  if not KEYS[2] or #redis.call('XINFO', 'CONSUMERS', KEYS[1], group) > 0 then return end
  local names = redis.call('HLEN', KEYS[2]) < 100 and redis.call('HKEYS', KEYS[2]) or {'1-0'}
  for _, field in ipairs(names) do
    if string.match(field, '^%d') then return end
  end
  redis.call('DEL', KEYS[2])
end
`;

/**
 * Removes a consumer that holds nothing. XGROUP DELCONSUMER alone throws away what the consumer has
 * pending, and a check before it would race with deliveries.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer
 * Returns  1 removed (or never there), 0 kept: it has pending entries.
 */
const forgetConsumerScript = defineScript(
  "forget-consumer",
  `
local group = ARGV[1]
${FORGET}${TAKE_ALONG}
if #redis.call('XPENDING', KEYS[1], group, '-', '+', 1, ARGV[2]) > 0 then return 0 end
forget(ARGV[2])
take_along()
return 1
`,
);

/** One step, sent once; a repeat finds the consumer gone and is "removed", too. */
export async function forgetConsumer(
  caller: Caller,
  stream: string,
  member: Member,
): Promise<"removed" | "holdsEntries"> {
  const keys = settlingKeys(member, stream);
  const removed = await caller.run(forgetConsumerScript, keys, [member.group, member.consumer]);
  return removed === 1 ? "removed" : "holdsEntries";
}
