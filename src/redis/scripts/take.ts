import { defineScript } from "../script.ts";

/**
 * Takes pending entries that are due: whose owner has been silent, or whose retry delay has passed.
 *
 * KEYS[1]  the stream
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
local claimIdle, delay, maxDelay = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local taken = {}
for i = 7, #ARGV do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = ARGV[6] ~= '0' and owner == consumer
    local due = math.max(claimIdle, math.min(maxDelay, delay * 2 ^ (math.max(1, count) - 1)))
    if mine or idle >= due then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      if not found then
        redis.call('XACK', KEYS[1], group, id)
        taken[#taken + 1] = {id, count, owner, false}
      elseif mine and ARGV[6] == '1' then
        redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
        taken[#taken + 1] = {id, count, owner, found[2]}
      else
        redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)
        taken[#taken + 1] = {id, count + 1, owner, found[2]}
      end
    end
  end
end
return taken
`,
);
