import { NOW_MS } from "./now.ts";
import { PUT_OFF_CONSUMER } from "../schedule-keys.ts";

/**
 * Lua of the scripts that take pending entries: when an entry is due, and taking it. Wants `group` and
 * `consumer`, and ARGV[3] to ARGV[5] as `take` has them.
 */
export const TAKING = `${NOW_MS}
local claimIdle, delay, maxDelay = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local taken = {}

-- The longest delay of a retry after so many deliveries.
local function longest_delay(count)
  return math.min(maxDelay, delay * 2 ^ (math.max(1, count) - 1))
end

-- How long an entry of so many deliveries stays with whoever has it.
local function due_after(count)
  return math.max(claimIdle, longest_delay(count))
end

-- What was put off comes back by the stream's schedule, however long it has been idle.
local function is_due(owner, idle, count)
  return owner ~= '${PUT_OFF_CONSUMER}' and idle >= due_after(count)
end

-- Whether a consumer may take an entry that it has, as own says: 1 and 2 in any case, 3 when it was in flight. One that
-- waits for its retry comes due within the longest delay, or when the holders say, where there are any.
local function may_take_own(own, id, idle, count, holders)
  if own ~= '3' then return own ~= '0' end
  local held = holders and redis.call('HGET', holders, id)
  local due = held and string.match(held, '^%S+ %S(%d+)')
  return idle + longest_delay(count) < due_after(count) and not (due and tonumber(due) > now_ms())
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
