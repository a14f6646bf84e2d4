import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { withHolders } from "./holders.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Lua that removes consumers which have nothing pending. KEYS[2] are the holders (see lua/held.ts), if they are kept: an entry
 * that such a consumer had there and that is not pending was acked by hand. Without the consumer it would look thrown away.
 * One that is pending was claimed by hand, and is its new owner's. What the user may not do to the holders is left out: the
 * consumers are gone by then.
 *
 * Wants `group`.
 */
export const FORGET = `
local function forget(names)
  local gone = {}
  for _, name in ipairs(names) do
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, name)
    gone[name] = true
  end
  if not KEYS[2] or #names == 0 then return end
  local all = redis.pcall('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local field, value = all[i], all[i + 1]
    local kind, owner = string.match(value, '^%S+ (%S)%d* (.*)$')
    local row = gone[owner] and redis.call('XPENDING', KEYS[1], group, field, field, 1)[1]
    if row then redis.pcall('HSET', KEYS[2], field, string.format('%.0f %s %s', row[4], kind, row[2]))
    elseif gone[owner] or gone[string.match(field, '^lost (.*)$')] then redis.pcall('HDEL', KEYS[2], field) end
  end
end
`;

/** So long a worker that stands still may find out what others have taken from it, after all others have left. */
const TAKES_KEPT_MS = 24 * 60 * 60 * 1_000;

/**
 * Lua for consumers that leave: the last one takes the holders along, when they name no entry. Where they tell of takes
 * they go later: whose entries those were may still be there, but stand still.
 */
export const TAKE_ALONG = `
local function take_along()
  if not KEYS[2] or #redis.call('XINFO', 'CONSUMERS', KEYS[1], group) > 0 then return end
  local length = redis.pcall('HLEN', KEYS[2])
  if type(length) ~= 'number' or length >= 2000 then return end
  local names = redis.pcall('HKEYS', KEYS[2])
  if names.err then return end
  for _, field in ipairs(names) do
    if string.match(field, '^%d') then return end
  end
  if redis.pcall('HEXISTS', KEYS[2], 'takes') == 1 then redis.pcall('PEXPIRE', KEYS[2], ${TAKES_KEPT_MS})
  else redis.pcall('DEL', KEYS[2]) end
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
forget({ARGV[2]})
take_along()
return 1
`,
);

/** One step, sent once; a repeat finds the consumer gone and is "removed", too. */
export async function forgetConsumer(
  caller: Caller,
  stream: StreamKey,
  member: Member,
): Promise<"removed" | "holdsEntries"> {
  return forget(caller, settlingKeys(member, stream), member);
}

/** The same for a consumer that is not this run's own. */
export function forgetByHand(
  caller: Caller,
  stream: StreamKey,
  member: Pick<Member, "group" | "consumer">,
): Promise<"removed" | "holdsEntries"> {
  return withHolders(caller, stream, member.group, (keys) => forget(caller, keys, member));
}

async function forget(
  caller: Caller,
  keys: readonly string[],
  { group, consumer }: Pick<Member, "group" | "consumer">,
): Promise<"removed" | "holdsEntries"> {
  const removed = await caller.run(forgetConsumerScript, keys, [group, consumer]);
  return removed === 1 ? "removed" : "holdsEntries";
}
