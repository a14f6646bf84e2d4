import { defineScript } from "../script.ts";

/**
 * Lua of the scripts that take pending entries: when an entry is due, and taking it. Wants `group` and
 * `consumer`, and ARGV[3] to ARGV[5] as `take` has them.
 */
export const TAKING = `
local claimIdle, delay, maxDelay = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local taken = {}

-- How long an entry of so many deliveries stays with whoever has it.
local function due_after(count)
  return math.max(claimIdle, math.min(maxDelay, delay * 2 ^ (math.max(1, count) - 1)))
end

-- Without fields its data has gone: it is acked, because nothing is left to deliver.
local function take(id, count, owner, fields, counted)
  if not fields then
    redis.call('XACK', KEYS[1], group, id)
    taken[#taken + 1] = {id, count, owner, false}
  elseif counted then
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)
    taken[#taken + 1] = {id, count + 1, owner, fields}
  else
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
    taken[#taken + 1] = {id, count, owner, fields}
  end
end
`;

/**
 * Takes pending entries that are due: whose owner has been silent, or whose retry delay has passed.
 *
 * KEYS     the stream; the holders (see held.ts), unless the user may not: one that is there is now this consumer's
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, own, id …
 *          own = "1" or "2": entries already pending for this consumer are taken whatever their idle time; with
 *          "1" without counting a delivery (their first reply was lost on the way).
 * Returns  for each entry taken: [id, deliveries, previous owner, fields]; fields is nil when the data has
 *          gone from the stream, and then the entry is acked: nothing is left to deliver.
 *          Entries that are not pending, or not due, are left out.
 * Crash    one atomic step; after a lost reply the entry is pending for this consumer and heartbeated by
 *          nobody, so it comes due again.
 */
export const take = defineScript(
  "take",
  `
local group, consumer = ARGV[1], ARGV[2]
${TAKING}
for i = 7, #ARGV do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = ARGV[6] ~= '0' and owner == consumer
    if mine or idle >= due_after(count) then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      take(id, count, owner, found and found[2], not mine or ARGV[6] == '2')
      local held = KEYS[2] and redis.call('HGET', KEYS[2], id)
      if held and not found then redis.call('HDEL', KEYS[2], id)
      elseif held then
        local deliveries = string.format('%.0f', math.min(taken[#taken][2], 2 ^ 53))
        redis.call('HSET', KEYS[2], id, deliveries .. string.match(held, '^%S+( %S)') .. ' ' .. consumer)
      end
    end
  end
end
return taken
`,
);
