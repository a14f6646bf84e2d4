import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Removes a consumer that holds nothing. XGROUP DELCONSUMER alone throws away what the consumer has
 * pending, and a check before it would race with deliveries.
 *
 * KEYS     the stream; the holders (see held.ts): an entry that the consumer had there and that is
 *          not pending was acked by hand. Without the consumer it would look thrown away.
 *          The last consumer takes the holders along, when they name no entry.
 * ARGV     group, consumer
 * Returns  1 removed (or never there), 0 kept: it has pending entries.
 */
const forgetConsumerScript = defineScript(
  "forget-consumer",
  `
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
local all = KEYS[2] and redis.call('HGETALL', KEYS[2]) or {}
for i = 1, #all, 2 do
  if string.match(all[i + 1], '^%S+ %S+ (.*)$') == ARGV[2] then redis.call('HDEL', KEYS[2], all[i]) end
end
if KEYS[2] then
  redis.call('HDEL', KEYS[2], 'lost ' .. ARGV[2])
  if #redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]) <= 1 then
    local names = redis.call('HLEN', KEYS[2]) < 100 and redis.call('HKEYS', KEYS[2]) or {'1-0'}
    local entries = false
    for _, name in ipairs(names) do entries = entries or string.match(name, '^%d') end
    if not entries then redis.call('DEL', KEYS[2]) end
  end
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
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
